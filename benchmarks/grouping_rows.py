"""Generated catalog of hashes: copies, near copies and look-alikes of known origin, with their thumbnails."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

PRODUCTS, IMAGES, ORIGINS = "products.parquet", "images.parquet", "origins.npy"
ROWS_PER_CHUNK = 1 << 20

EXACT_SHARE, NEAR_SHARE, LOOK_ALIKE_SHARE = 0.05, 0.05, 0.05
MAX_BITS_FLIPPED = 4
LARGEST_FAMILY = 2_000  # look-alikes of one hash; most families are far smaller

_POOL_SIZES = (4_093, 4_091)  # primes: two products rarely share both parts of their images


def generate(folder: Path, num_rows: int) -> None:
    """Writes product ids, SHA-256s and dhashes, and each row's origin: the row whose image it shows."""
    rng = np.random.default_rng(36)
    origins = np.lib.format.open_memmap(folder / ORIGINS, mode="w+", dtype=np.int32, shape=(num_rows,))
    hashes = rng.integers(0, 1 << 64, num_rows, dtype=np.uint64)
    families = _family_hashes(rng, int(num_rows * LOOK_ALIKE_SHARE))
    ids = pa.schema([("product_id", pa.large_string())])
    keys = pa.schema([("sha256", pa.large_string()), ("dhash", pa.uint64())])
    with pq.ParquetWriter(folder / PRODUCTS, ids) as products, pq.ParquetWriter(folder / IMAGES, keys) as images:
        for start in range(0, num_rows, ROWS_PER_CHUNK):
            rows = np.arange(start, min(start + ROWS_PER_CHUNK, num_rows))
            kind = rng.random(len(rows))
            is_exact = kind < EXACT_SHARE
            is_near = ~is_exact & (kind < EXACT_SHARE + NEAR_SHARE)
            is_alike = ~is_exact & ~is_near & (kind < EXACT_SHARE + NEAR_SHARE + LOOK_ALIKE_SHARE)
            hashes[rows[is_alike]] = families[rng.integers(0, len(families), np.count_nonzero(is_alike))]
            is_copy = (is_exact | is_near) & (rows > 0)
            origins[rows] = np.maximum.accumulate(np.where(is_copy, origins[max(0, start - 1)], rows))
            # Copies are of earlier originals, so that a group's first member is its origin: a copy of a copy becomes
            # one of that one's origin, or within this chunk of the last original before it.
            earlier = (rng.random(np.count_nonzero(is_copy)) * rows[is_copy]).astype(np.int64)
            origins[rows[is_copy]] = origins[earlier]
            hashes[rows[is_copy]] = hashes[origins[rows[is_copy]]]
            near = rows[is_near & is_copy]
            hashes[near] ^= _flips(rng, len(near))
            shown = np.where(is_near, rows, origins[rows])  # the row whose bytes these are
            digests = [hashlib.sha256(b"%d" % row).hexdigest() for row in shown.tolist()]
            products.write_table(_table({"product_id": product_ids(rows)}, ids))
            images.write_table(_table({"sha256": digests, "dhash": hashes[rows]}, keys))
    origins.flush()


def product_ids(rows: NDArray[np.int64]) -> list[str]:
    """Returns product ids of twenty characters each."""
    return [f"partner-{row % 97:02d}:{row:09d}" for row in rows.tolist()]


def thumbnails_of(folder: Path, rows: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Returns the gray thumbnails of these rows, (n, 32, 32): the origin's image with faint noise of the row."""
    origins = np.load(folder / ORIGINS, mmap_mode="r")[rows].astype(np.int64)
    one, other, noise = _pools()
    shown = np.empty((len(rows), 32, 32), dtype=np.uint8)
    for start in range(0, len(rows), 4_096):  # few at a time, like decoded images
        some, their = origins[start : start + 4_096], rows[start : start + 4_096].astype(np.int64)
        shown[start : start + 4_096] = one[some % len(one)] + other[some % len(other)] + noise[their % len(noise)]
    return shown


def _pools() -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(37)
    for size in _POOL_SIZES:
        yield rng.integers(0, 120, (size, 8, 8), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    yield rng.integers(0, 6, (1_021, 32, 32), dtype=np.uint8)


def _family_hashes(rng: np.random.Generator, num_look_alikes: int) -> NDArray[np.uint64]:
    """Returns the hashes of look-alikes: families whose sizes follow Zipf's law, at most LARGEST_FAMILY."""
    sizes = np.minimum(rng.zipf(1.6, max(1, num_look_alikes // 6)), LARGEST_FAMILY)
    hashes = rng.integers(0, 1 << 64, len(sizes), dtype=np.uint64)
    return np.repeat(hashes, sizes)


def _flips(rng: np.random.Generator, num: int) -> NDArray[np.uint64]:
    """Returns masks of one to MAX_BITS_FLIPPED set bits."""
    flips = np.zeros(num, dtype=np.uint64)
    for bit in range(MAX_BITS_FLIPPED):
        drawn = np.uint64(1) << rng.integers(0, 64, num, dtype=np.uint64)
        flips |= np.where(rng.integers(0, MAX_BITS_FLIPPED, num) >= bit, drawn, np.uint64(0))
    return flips


def _table(columns: dict[str, object], schema: pa.Schema) -> pa.Table:
    return pl.DataFrame(columns).to_arrow().cast(schema)
