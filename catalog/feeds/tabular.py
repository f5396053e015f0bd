"""Table files as feeds: Parquet and CSV, with Merchant Center's attribute names as column names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.feeds.arrow_bytes import NUMBERS, bytes_of
from catalog.feeds.batches import VALUES_SCHEMA, judged
from catalog.feeds.compression import refuse_bomb
from catalog.feeds.delimited import Dialect, read_delimited
from catalog.feeds.feed import (
    ATTRIBUTES,
    COLUMNS,
    NO_NAMES,
    REPEATED,
    UNDERSTOOD,
    FeedBatch,
    FeedError,
    attribute_positions,
)
from catalog.feeds.parquet_batches import ParquetRows

_CSV_FIELD = re.compile(rb'(?:"([^"]*+(?:""[^"]*+)*+)")?+([^,]*+)')


def read_csv(source: BinaryIO, name: str, names: Mapping[str, str] = NO_NAMES) -> Iterator[FeedBatch]:
    """Reads a comma-separated feed; quoted fields may hold commas, line ends and doubled quotes."""
    return read_delimited(source, name, names, COMMAS)


def split_commas(record: bytes) -> list[bytes]:
    """The fields of a record as Python's csv module splits it, which takes no bytes."""
    if b'"' not in record:
        return record.split(b",")
    fields, position = [], 0
    while matched := _CSV_FIELD.match(record, position):
        quoted, plain = matched.groups()
        fields.append((quoted or b"").replace(b'""', b'"') + plain)
        position = matched.end() + 1
        if position > len(record):
            break
    return fields


COMMAS = Dialect(words="fields separated by commas", split=split_commas, has_multiline_fields=True)


def read_parquet(
    source: BinaryIO,
    name: str,
    names: Mapping[str, str] = NO_NAMES,
    *,
    first_row: int = 1,
    num_rows: int | None = None,
) -> Iterator[FeedBatch]:
    """Reads a Parquet file whose attribute columns hold text or whole numbers, or `num_rows` from `first_row` on.

    Of a range only its row groups are read, and its own first row is 1.
    Raises `FeedError` for another schema and for a file that is damaged or no Parquet.
    """
    with refusals(name):
        schema = pq.read_schema(source)
        columns = {a: schema.names[place] for a, place in attribute_positions(schema.names, name, names).items()}
        for attribute, column in columns.items():
            _check_type(attribute, column, schema.field(column).type, name)
        source.seek(0)
        yield from _parquet_batches(source, name, columns, (first_row, num_rows))


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """The library's errors, told as refusals of the file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        first_line = str(error).splitlines()[0].rstrip(".")
        raise FeedError(f"{name}: not a readable Parquet file ({first_line}); deliver it again, whole") from error


def _parquet_batches(
    source: BinaryIO, name: str, columns: Mapping[str, str], rows: tuple[int, int | None]
) -> Iterator[FeedBatch]:
    file = ParquetRows(source, list(columns.values()))
    if not file.num_rows:
        raise FeedError(f"{name}: no product in it; deliver the file again, with its rows")
    refuse_bomb(file.num_bytes, file.num_packed_bytes, name)
    row = 1
    for batch in file.batches(*rows):
        values = {"row": pl.Series(range(row, row + batch.num_rows), dtype=pl.Int64)} | {
            ATTRIBUTES[attribute]: pl.Series(bytes_of(batch.column(column))) for attribute, column in columns.items()
        }
        missing = [pl.lit(None, pl.Binary).alias(column) for column in COLUMNS if column not in values]
        yield judged(pl.DataFrame(values).with_columns(missing).select(VALUES_SCHEMA.names()))
        row += batch.num_rows


def _check_type(attribute: str, column: str, kind: pa.DataType, name: str) -> None:
    if attribute in UNDERSTOOD and any(is_kind(kind) for is_kind in NUMBERS):
        return  # as text it means something or nothing, which is told row by row
    if attribute == REPEATED and (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        kind = kind.value_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    others = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_integer,
        pa.types.is_null,
    )
    if not any(is_kind(kind) for is_kind in (*text, *others)):
        raise FeedError(f"{name}: column {column!r} holds {kind}; write it as text or whole numbers")
