"""Arrow columns of texts, numbers or lists of texts as bytes, each value bounded in size."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog.feeds.feed import MAX_FIELD_BYTES

# Of values that have one text each.
SCALARS = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_date,
    pa.types.is_timestamp,
    pa.types.is_time,
)
_MAX_WHOLE = 1e15  # below it every whole number is one that a floating-point number keeps exactly


def bytes_of(values: pa.Array) -> pa.Array:
    """Return the column as bytes; texts that are too long keep just enough bytes for their row to be rejected."""
    if pa.types.is_dictionary(values.type):
        return bytes_of(values.dictionary).take(values.indices)
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return _joined(values)
    if any(is_kind(values.type) for is_kind in SCALARS):
        values = _texts(values)
    values = values.cast(pa.large_binary())
    if (pc.max(pc.binary_length(values)).as_py() or 0) <= MAX_FIELD_BYTES:
        return values
    return pc.binary_slice(values, 0, MAX_FIELD_BYTES + 1)


def _texts(values: pa.Array) -> pa.Array:
    """Returns numbers, dates and truth values as text: `123` for 123.0, as a column of ids with gaps has them."""
    if pa.types.is_decimal(values.type):
        return pc.replace_substring_regex(values.cast(pa.string()), r"\.0+$", "")
    if not pa.types.is_floating(values.type):
        return values.cast(pa.string())
    numbers = values.cast(pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    is_whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), _MAX_WHOLE))
    whole = pc.if_else(is_whole, numbers, pa.scalar(None, pa.float64())).cast(pa.int64()).cast(pa.string())
    return pc.if_else(is_whole, whole, values.cast(pa.string()))


def first_texts(lists: pa.Array) -> pa.Array:
    """Return the first value of each list as bytes, null where there is none."""
    return bytes_of(pc.list_slice(lists, 0, 1, return_fixed_size_list=False))


def _joined(lists: pa.Array) -> pa.Array:
    """Returns each list's texts joined by commas; a list that is too long is never joined."""
    sizes = _counts(pc.list_value_length(lists))
    texts = lists.flatten()
    if pa.types.is_dictionary(texts.type):  # a few texts may stand in many rows, so they are measured first
        lengths = _counts(pc.binary_length(texts.dictionary).take(texts.indices))
    else:
        texts = bytes_of(texts)
        lengths = _counts(pc.binary_length(texts))
    bounds = _starts(lengths + 1)  # with a comma each
    is_long = np.diff(bounds[_starts(sizes)]) > MAX_FIELD_BYTES
    texts = bytes_of(texts.filter(pa.array(~np.repeat(is_long, sizes)))).fill_null(b"")
    kept = pa.LargeListArray.from_arrays(pa.array(_starts(np.where(is_long, 0, sizes))), texts)
    joined = pc.binary_join(kept, pa.scalar(b",", pa.large_binary()))
    joined = pc.if_else(pa.array(is_long), pa.scalar(b"," * (MAX_FIELD_BYTES + 1), pa.large_binary()), joined)
    return pc.if_else(lists.is_null(), pa.scalar(None, pa.large_binary()), joined)


def _counts(numbers: pa.Array) -> NDArray[np.int64]:
    """Returns numbers with 0 for null."""
    return cast(NDArray[np.int64], numbers.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64))


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
