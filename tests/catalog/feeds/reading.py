"""Feeds for tests, written by other libraries, and read completely."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.feeds.feed import FeedBatch, ReadOptions
from catalog.feeds.formats import FEED_READERS

# Those that rows of tests have; the others are null.
ATTRIBUTES = ("id", "title", "image_link", "item_group_id", "google_product_category", "product_type")
GOOGLE, ATOM = "{http://base.google.com/ns/1.0}", "{http://www.w3.org/2005/Atom}"

Row = Sequence[str]  # a value for each of ATTRIBUTES, empty where there is none


class Trickle(io.RawIOBase):
    """A source that hands out few bytes at a time, as a network may, and that cannot be sought."""

    def __init__(self, content: bytes, num_bytes: int) -> None:
        self._source = io.BytesIO(content)
        self._num_bytes = num_bytes

    def read(self, size: int = -1) -> bytes:
        return self._source.read(min(size, self._num_bytes) if size >= 0 else self._num_bytes)


class Endless(io.RawIOBase):
    """A start, a byte many times over, and an end: a huge feed that is never in memory."""

    def __init__(self, start: bytes, filler: bytes, num_fillers: int, end: bytes) -> None:
        self._parts = iter([start, *[filler] * num_fillers, end])

    def read(self, size: int = -1) -> bytes:
        return next(self._parts, b"")


def read(feed_format: str, content: bytes | io.RawIOBase, names: Mapping[str, str] | None = None) -> FeedBatch:
    """All of a feed as one batch."""
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    batches = list(FEED_READERS[feed_format](source, "feed.x", ReadOptions(columns=names or {})))  # type: ignore[arg-type]
    return FeedBatch(pl.concat([batch.rows for batch in batches]), pl.concat([batch.rejected for batch in batches]))


def as_tsv(rows: Sequence[Row], header: Row = ATTRIBUTES) -> bytes:
    return _delimited(rows, header, "excel-tab")


def as_csv(rows: Sequence[Row], header: Row = ATTRIBUTES) -> bytes:
    return _delimited(rows, header, "excel")


def _delimited(rows: Sequence[Row], header: Row, dialect: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, dialect).writerows([header, *rows])
    return text.getvalue().encode()


def as_rss(rows: Sequence[Row]) -> bytes:
    root = Element("rss", version="2.0")
    channel = SubElement(root, "channel")
    SubElement(channel, "title").text = "The whole shop"
    return _with_products(root, channel, "item", rows)


def as_atom(rows: Sequence[Row]) -> bytes:
    root = Element(f"{ATOM}feed")
    SubElement(root, f"{ATOM}id").text = "tag:shop"
    return _with_products(root, root, f"{ATOM}entry", rows)


def _with_products(root: Element, parent: Element, tag: str, rows: Sequence[Row]) -> bytes:
    for row in rows:
        product = SubElement(parent, tag)
        for attribute, value in zip(ATTRIBUTES, row, strict=True):
            if value:
                SubElement(product, f"{GOOGLE}{attribute}").text = value
    return tostring(root, encoding="utf-8", xml_declaration=True)


def as_parquet(rows: Sequence[Row]) -> bytes:
    columns = list(zip(*rows, strict=True)) or [()] * len(ATTRIBUTES)
    table = pa.table({a: pa.array(values, pa.string()) for a, values in zip(ATTRIBUTES, columns, strict=True)})
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def as_json_lines(rows: Sequence[Row]) -> bytes:
    return b"".join(json.dumps(dict(zip(ATTRIBUTES, row, strict=True))).encode() + b"\n" for row in rows)


def as_spreadsheet(rows: Sequence[Row], header: Row = ATTRIBUTES) -> bytes:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Products")
    for row in (header, *rows):
        sheet.append([value or None for value in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


WRITERS = {
    "google_tsv": as_tsv,
    "google_xml": as_rss,
    "parquet": as_parquet,
    "csv": as_csv,
    "json_lines": as_json_lines,
    "spreadsheet": as_spreadsheet,
}
