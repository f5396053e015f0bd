"""Samples of a feed: its own column names, and the texts that its first rows have in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.feeds.compression import decompressed
from catalog.feeds.delimited import Dialect, headers_of, records
from catalog.feeds.feed import FeedError, attribute_of
from catalog.feeds.formats import format_of
from catalog.feeds.google_tsv import TABS
from catalog.feeds.json_lines import flat_product, json_items
from catalog.feeds.json_stream import BrokenItem
from catalog.feeds.json_values import value_text
from catalog.feeds.parquet_batches import ParquetRows
from catalog.feeds.sources import FeedFile, InboxError, wrap_source_errors
from catalog.feeds.tabular import COMMAS
from catalog.feeds.xml_products import local, xml_products

NUM_ROWS = 200
OTHER_SEPARATORS = (";", ",", "\t", "|")

Sample = dict[str, list[str]]  # column name -> the texts of the first rows, empty ones left out
Row = Iterable[tuple[str, str]]


def sample_feed(feed: FeedFile, num_rows: int = NUM_ROWS) -> Sample:
    """Return the columns of a feed of any format, with the texts of at most `num_rows` rows; broken rows are skipped.

    Raises:
        FeedError: The content is refused, such as a feed of another separator; the message has the way out.
        InboxError: The file cannot be read.
    """
    rows_of = SAMPLERS[format_of(feed.file_name)]
    sample: Sample = {}
    with wrap_source_errors(feed.name, FeedError, InboxError), feed.open() as file:
        source = decompressed(file, feed.file_name, feed.name)
        for row in islice(rows_of(source, feed.name), num_rows + 1):  # the first has the names
            for column, text in row:
                texts = sample.setdefault(column, [])
                if text.strip():
                    texts.append(text.strip())
    if not sample:
        raise FeedError(f"{feed.name}: no product in it; deliver the file again, with its rows")
    return sample


def _tab_rows(source: BinaryIO, name: str) -> Iterator[Row]:
    return _delimited_rows(source, name, TABS)


def _comma_rows(source: BinaryIO, name: str) -> Iterator[Row]:
    return _delimited_rows(source, name, COMMAS)


def _delimited_rows(source: BinaryIO, name: str, dialect: Dialect) -> Iterator[Row]:
    found = records(source, name, has_multiline_fields=dialect.has_multiline_fields)
    headers = headers_of(next(found, None), name, dialect)
    if len(headers) == 1 and (separator := next((each for each in OTHER_SEPARATORS if each in headers[0]), None)):
        raise FeedError(
            f"{name}: the header is separated by {separator!r}, not into {dialect.description}; save the file as CSV "
            "with commas, or as .tsv with tabs"
        )
    yield [(header, "") for header in headers]
    for record in found:
        fields = dialect.split(record.content)
        if record.is_whole and len(fields) == len(headers):
            yield zip(headers, (each.decode("utf-8", errors="replace") for each in fields), strict=True)


def _json_rows(source: BinaryIO, name: str) -> Iterator[Row]:
    for item in json_items(source, name):
        if not isinstance(item, BrokenItem):  # which is a rejected row of the delivery
            yield [(key, value_text(attribute_of(key), value) or "") for key, value in flat_product(item).items()]


def _xml_rows(source: BinaryIO, name: str) -> Iterator[Row]:
    for product in xml_products(source, name):
        yield [(local(tag), text) for tag, text in product.texts.items()]


def _parquet_rows(source: BinaryIO, name: str) -> Iterator[Row]:
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


SAMPLERS: Mapping[str, Callable[[BinaryIO, str], Iterator[Row]]] = MappingProxyType(
    {
        "google_tsv": _tab_rows,
        "google_xml": _xml_rows,
        "parquet": _parquet_rows,
        "csv": _comma_rows,
        "json_lines": _json_rows,
    }
)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
