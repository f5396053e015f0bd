"""CSV and Parquet feeds, with Merchant Center's attribute names as column names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.feeds.arrow_bytes import SCALARS, bytes_of, first_texts
from catalog.feeds.batches import VALUES_SCHEMA, checked_batch
from catalog.feeds.compression import refuse_bomb
from catalog.feeds.fast_delimited import read_text
from catalog.feeds.feed import (
    ATTRIBUTES,
    COLUMNS,
    DEFAULT_OPTIONS,
    REPEATED,
    FeedBatch,
    FeedError,
    ReadOptions,
    attribute_positions,
)
from catalog.feeds.parquet_batches import ParquetRows
from catalog.feeds.presets.recognition import preset_of, with_preset
from catalog.feeds.row_limits import refuse_rows


def read_csv(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of a feed of delimited text, by commas where its header does not show another delimiter."""
    return read_text(source, name, options, ",")


def read_parquet(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of a Parquet file as pandas, Polars, Spark and others write it.

    Raises:
        FeedError: The schema is another one, or the file is damaged or no Parquet.
    """
    with refusals(name):
        schema = pq.read_schema(source)
        names = with_preset(preset_of(schema.names, options, name), schema.names, options).columns
        columns = {
            attribute: schema.names[position]
            for attribute, position in attribute_positions(schema.names, name, names).items()
        }
        for attribute, column in columns.items():
            check_type(attribute, column, schema.field(column).type, name)
        source.seek(0)
        yield from _parquet_batches(source, name, columns)


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Raises the library's errors as refusals of the file, `FeedError`."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:  # the latter two: of its metadata
        first_line = str(error).splitlines()[0].rstrip(".")
        raise FeedError(f"{name}: not a readable Parquet file ({first_line}); deliver it again, whole") from error


def _parquet_batches(source: BinaryIO, name: str, columns: Mapping[str, str]) -> Iterator[FeedBatch]:
    file = ParquetRows(source, list(columns.values()))
    if not file.num_rows:
        raise FeedError(f"{name}: no product in it; deliver the file again, with its rows")
    refuse_rows(file.num_rows, file.num_file_bytes, name)
    refuse_bomb(file.num_bytes, min(file.num_packed_bytes, file.num_file_bytes), name)
    row = 1
    for batch in file.batches():
        values = {"row": pl.Series(range(row, row + batch.num_rows), dtype=pl.Int64)} | {
            ATTRIBUTES[attribute]: pl.Series(_bytes(attribute, batch.column(column)))
            for attribute, column in columns.items()
        }
        missing = [pl.lit(None, pl.Binary).alias(column) for column in COLUMNS if column not in values]
        yield checked_batch(pl.DataFrame(values).with_columns(missing).select(VALUES_SCHEMA.names()))
        row += batch.num_rows


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _bytes(attribute: str, values: pa.Array) -> pa.Array:
    """Returns a column as bytes; of a list only the first value, unless the attribute may have several."""
    return first_texts(values) if _is_list(values.type) and attribute != REPEATED else bytes_of(values)


def check_type(attribute: str, column: str, kind: pa.DataType, name: str) -> None:
    """Raises `FeedError` for a column that holds neither text, numbers, truth values nor dates, or lists of these."""
    if _is_list(kind):
        kind = kind.value_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    others = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_null,
        *SCALARS,
    )
    if not any(is_kind(kind) for is_kind in (*text, *others)):
        raise FeedError(f"{name}: column {column!r} holds {kind}; write it as text or numbers")
