"""Content hash of a table: of its schema and its ordered values, however they came about."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import xxhash

_OF_128_BITS = (pl.Int128, pl.UInt128)  # NumPy has no such integers
_ROWS_AT_ONCE = 1 << 16


def content_hash(frame: pl.DataFrame) -> str:
    """Returns a 128-bit hash (XXH3) of a table's schema and ordered rows in hexadecimal digits.

    Equal tables have equal hashes, whether they were read from a file, joined or put together from parts: chunks, and
    the undefined memory of null values, do not count. XXH3 runs at memory speed but is not collision resistant against
    an attacker.
    """
    digest = xxhash.xxh3_128(repr((frame.schema, len(frame))).encode())
    for column in frame.iter_columns():
        for values in _plain(column):
            digest.update(len(values).to_bytes(8, "little"))
            for part in values.to_frame().iter_slices(_ROWS_AT_ONCE):
                digest.update(_content(part.to_series()))
    return digest.hexdigest()


def _content(values: pl.Series) -> bytes | memoryview:
    """Returns the values, which are numbers or bytes and not null, in one piece."""
    if values.dtype == pl.Binary:
        return _joined(values.rechunk().to_arrow())
    if values.dtype == pl.Null:
        return b""
    return values.rechunk().to_numpy(allow_copy=False).data


def _joined(values: pa.LargeBinaryArray) -> memoryview:
    """Returns all bytes of an Arrow array without nulls, as they lie one after the other in its memory."""
    _, offsets, content = values.buffers()
    if content is None or not len(values):
        return memoryview(b"")
    bounds = memoryview(offsets).cast("q")
    return memoryview(content)[bounds[values.offset] : bounds[values.offset + len(values)]]


def _plain(column: pl.Series) -> Iterator[pl.Series]:
    """Yields the content of a column as columns of numbers and bytes without nulls."""
    if column.null_count():
        yield column.is_null().cast(pl.UInt8)
        column = column.drop_nulls()
    dtype = column.dtype
    if isinstance(dtype, pl.List):
        lengths = column.list.len()
        yield lengths
        yield from _plain(column.filter(lengths > 0).explode())  # an empty list would be a null
    elif isinstance(dtype, pl.Array):
        yield from _plain(column.reshape((-1,)) if len(column) else pl.Series(dtype=dtype.inner))
    elif isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            yield from _plain(column.struct.field(field.name))
    elif isinstance(dtype, (pl.Categorical, pl.Enum, pl.Decimal)) or dtype in _OF_128_BITS:
        yield from _plain(column.cast(pl.String))
    elif dtype == pl.String:
        yield column.str.len_bytes()
        yield column.cast(pl.Binary)
    elif dtype == pl.Binary:
        yield column.bin.size()
        yield column
    elif dtype == pl.Boolean:
        yield column.cast(pl.UInt8)
    else:
        yield column.to_physical()
