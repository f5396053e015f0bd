"""Arrow columns of texts, numbers or lists of texts as bytes, each value bounded in size."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog.feeds.feed import MAX_FIELD_BYTES

NUMBERS = (pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)


def bytes_of(values: pa.Array) -> pa.Array:
    """Return the column as bytes; texts that are too long keep just enough bytes for their row to be rejected."""
    if pa.types.is_dictionary(values.type):
        return bytes_of(values.dictionary).take(values.indices)
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return _joined(values)
    if any(is_kind(values.type) for is_kind in (pa.types.is_integer, *NUMBERS)):
        values = values.cast(pa.string())
    values = values.cast(pa.large_binary())
    if (pc.max(pc.binary_length(values)).as_py() or 0) <= MAX_FIELD_BYTES:
        return values
    return pc.binary_slice(values, 0, MAX_FIELD_BYTES + 1)


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
