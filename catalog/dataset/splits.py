"""Splits: new groups are training, validation or test groups by the hash of their names, the same on every machine.

`catalog.dataset.assignments` keeps what was drawn, since names depend on the products that were there at the time.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Split = Literal["train", "val", "test"]
GOLDEN = "golden"  # products with verified labels; never assigned by hash

TRAIN_SHARE, VAL_SHARE = 0.70, 0.15  # the rest is test

KEYS_PER_CHUNK = 1 << 20

_HASH_RANGE = 1 << 64


def split_of(group_key: str) -> Split:
    """Returns the split of a duplicate group, from its key alone: 70 % train, 15 % val, 15 % test."""
    position = _stable_hash(group_key, b"shelfsight.split") / _HASH_RANGE
    if position < TRAIN_SHARE:
        return "train"
    return "val" if position < TRAIN_SHARE + VAL_SHARE else "test"


def splits_of(group_keys: pl.Series) -> pl.Series:
    """Returns the split of every group key, (n,)."""
    position = pl.Series("split", _stable_hashes(group_keys, b"shelfsight.split")) / float(_HASH_RANGE)
    is_val = position < TRAIN_SHARE + VAL_SHARE
    split = pl.when(position < TRAIN_SHARE).then(pl.lit("train")).when(is_val).then(pl.lit("val"))
    return pl.select(split.otherwise(pl.lit("test")).alias("split"))["split"]


def train_or_val(group_keys: pl.Series) -> pl.Series:
    """Returns the split of every group key, (n,), among training and validation, in the proportion of their shares."""
    position = pl.Series("split", _stable_hashes(group_keys, b"shelfsight.split")) / float(_HASH_RANGE)
    is_train = position < TRAIN_SHARE / (TRAIN_SHARE + VAL_SHARE)
    return pl.select(pl.when(is_train).then(pl.lit("train")).otherwise(pl.lit("val")).alias("split"))["split"]


def in_selection_half(group_keys: pl.Series) -> pl.Series:
    """Returns True for the validation groups that select models or epochs, (n,); the other half evaluates them."""
    return pl.Series("selects", _stable_hashes(group_keys, b"shelfsight.half") % np.uint64(2) == 0)


def label_ranks(frame: pl.DataFrame, draw: int = 0) -> pl.Series:
    """Returns the rank of each labeled training row in its category, in [0, 1); null for every other row.

    The order within a category is by hash, so the rows with `label_rank < f` are a random share f of every category,
    have at least one image of each, and include the rows of every smaller share.

    Args:
        frame: rows with product_id, split and category_id.
        draw: number of the random order.
    """

    def hashes(product_ids: pl.Series) -> pl.Series:
        drawn = product_ids if draw == 0 else f"{draw}:" + product_ids
        return pl.Series(_stable_hashes(drawn, b"shelfsight.label"))

    is_labeled = (pl.col("split") == "train") & pl.col("category_id").is_not_null()
    ranked = (
        frame.lazy()
        .select("product_id", "category_id", is_labeled.alias("is_labeled"))
        .with_row_index("position")
        .filter("is_labeled")
        .with_columns(pl.col("product_id").map_batches(hashes, return_dtype=pl.UInt64).alias("hash"))
        .sort("hash", "product_id")
        .with_columns((pl.int_range(pl.len()) / pl.len()).over("category_id").alias("label_rank"))
        .select("position", "label_rank")
    )
    positions = frame.lazy().select(pl.int_range(pl.len(), dtype=pl.get_index_type()).alias("position"))
    return positions.join(ranked, on="position", how="left", maintain_order="left").collect()["label_rank"]


def _stable_hashes(keys: pl.Series, purpose: bytes) -> NDArray[np.uint64]:
    """Returns `_stable_hash` of every key, (n,), in chunks, so that few Python strings exist at a time."""
    hashes = np.empty(len(keys), dtype=np.uint64)
    for start in range(0, len(keys), KEYS_PER_CHUNK):
        chunk = keys.slice(start, KEYS_PER_CHUNK)
        digests = b"".join([blake2b(key.encode(), digest_size=8, person=purpose).digest() for key in chunk])
        hashes[start : start + len(chunk)] = np.frombuffer(digests, dtype=">u8")
    return hashes


def _stable_hash(key: str, purpose: bytes) -> int:
    """Returns a 64-bit hash: equal on every machine, independent for each purpose (of at most 16 bytes)."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8, person=purpose).digest(), "big")
