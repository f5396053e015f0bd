"""Samples of a feed: its own column names, and the texts that its first rows have in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.feeds.contents import open_content
from catalog.feeds.delimited import unix_lines
from catalog.feeds.feed import DEFAULT_OPTIONS, REPEATED, FeedError, ReadOptions, attribute_of
from catalog.feeds.findings import Findings
from catalog.feeds.json_lines import flat_product, json_items
from catalog.feeds.json_stream import BrokenItem
from catalog.feeds.json_values import value_text
from catalog.feeds.layouts import detect_layout, records
from catalog.feeds.parquet_batches import ParquetRows
from catalog.feeds.sources import FeedFile, InboxError, wrap_source_errors
from catalog.feeds.spreadsheets import csv_of_sheet
from catalog.feeds.transcoding import as_utf8, read_head
from catalog.feeds.xml_samples import xml_rows

NUM_ROWS = 200
HEAD_BYTES = 1 << 22

Sample = dict[str, list[str]]  # column name -> the texts of the first rows, empty ones left out
Row = Iterable[tuple[str, str]]


def sample_feed(feed: FeedFile, num_rows: int = NUM_ROWS) -> Sample:
    """Return the columns of a feed of any format, with the texts of at most `num_rows` rows; broken rows are skipped.

    Raises:
        FeedError: The content is refused; the message has the way out.
        InboxError: The file cannot be read.
    """
    sample: Sample = {}
    options = replace(DEFAULT_OPTIONS, findings=Findings())
    with (
        wrap_source_errors(feed.name, FeedError, InboxError),
        feed.open() as file,
        open_content(file, feed.file_name, feed.name, options) as content,
    ):
        rows = SAMPLERS[content.feed_format](content.stream, feed.name, options)
        for row in islice(rows, num_rows + 1):  # the first has the names
            for column, text in row:
                texts = sample.setdefault(column, [])
                if text.strip():
                    texts.append(text.strip())
    if not sample:
        raise FeedError(f"{feed.name}: no product in it; deliver the file again, with its rows")
    return sample


def _tab_rows(source: BinaryIO, name: str, options: ReadOptions) -> Iterator[Row]:
    return _delimited_rows(source, name, options, "\t")


def _comma_rows(source: BinaryIO, name: str, options: ReadOptions) -> Iterator[Row]:
    return _delimited_rows(source, name, options, ",")


def _sheet_rows(source: BinaryIO, name: str, options: ReadOptions) -> Iterator[Row]:
    with csv_of_sheet(source, name, options) as content:
        yield from _delimited_rows(content, name, replace(options, encoding="utf-8", delimiter=","), ",")


def _delimited_rows(source: BinaryIO, name: str, options: ReadOptions, default: str) -> Iterator[Row]:
    head = unix_lines(read_head(as_utf8(source, name, options), HEAD_BYTES))
    if len(head) >= HEAD_BYTES:
        head = head[: head.rfind(b"\n") + 1]
    layout = detect_layout(head, name, options, default)
    yield [(header, "") for header in layout.headers if header]
    for start, end in records(head, layout.start, layout.dialect):
        fields = layout.dialect.split(head[start:end].removesuffix(b"\r"), len(layout.headers))
        if len(fields) == len(layout.headers):
            texts = (each.decode("utf-8", errors="replace") for each in fields)
            yield [(header, text) for header, text in zip(layout.headers, texts, strict=True) if header]


def _json_rows(source: BinaryIO, name: str, options: ReadOptions) -> Iterator[Row]:
    for item in json_items(source, name, options):
        if not isinstance(item, BrokenItem):  # which is a rejected row of the delivery
            yield [(key, _json_text(key, value)) for key, value in flat_product(item).items()]


def _json_text(key: str, value: Any) -> str:
    """Returns a value as text; of a list all parts, as they show whether a column has links."""
    return value_text(REPEATED if isinstance(value, list) else attribute_of(key), value) or ""


def _parquet_rows(source: BinaryIO, name: str, _: ReadOptions) -> Iterator[Row]:
    try:
        schema = pq.read_schema(source)
        # Bytes of images are no texts, and would be read for nothing.
        columns = [each.name for each in schema if not (pa.types.is_nested(each.type) or pa.types.is_binary(each.type))]
        yield [(column, "") for column in columns]
        source.seek(0)
        for batch in ParquetRows(source, columns).batches():
            for row in batch.slice(0, NUM_ROWS).to_pylist():
                yield [(column, _text(value)) for column, value in row.items()]
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        raise FeedError(f"{name}: not a readable Parquet file ({error}); deliver it again, whole") from error


SAMPLERS: Mapping[str, Callable[[BinaryIO, str, ReadOptions], Iterator[Row]]] = MappingProxyType(
    {
        "google_tsv": _tab_rows,
        "google_xml": xml_rows,
        "parquet": _parquet_rows,
        "csv": _comma_rows,
        "json_lines": _json_rows,
        "spreadsheet": _sheet_rows,
    }
)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
