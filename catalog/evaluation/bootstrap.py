"""Bootstrap: resampled products, for the intervals of scores (Efron 1979).

Millions of products are first assigned at random to a thousand blocks, whose sums are then resampled instead of the
products (the random groups of Wolter 2007, "Introduction to Variance Estimation", chapter 2). Up to a thousand
products are a block each, which is the plain bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NUM_BLOCKS = 1000  # the relative error of an interval's width is about 1 / sqrt(2 * NUM_BLOCKS) = 2 %
NUM_RESAMPLES = 1000
_COUNTS_PER_CHUNK = 1 << 20  # 8 MiB of float64


def blocks_of(num_samples: int, *, num_blocks: int = NUM_BLOCKS, seed: int = 0) -> NDArray[np.int64]:
    """Assigns every sample to a block, (n,); sizes differ by at most one. Raises ValueError for no sample."""
    if num_samples < 1:
        raise ValueError("there is no sample to resample; was the evaluation set empty?")
    if num_samples <= num_blocks:
        return np.arange(num_samples)
    blocks = np.resize(np.arange(num_blocks), num_samples)
    np.random.default_rng(seed).shuffle(blocks)  # neighbors in a file belong to one shop
    return blocks


def resampled_counts(num: int, resamples: int = NUM_RESAMPLES, seed: int = 0) -> Iterator[Floats]:
    """Yields, in chunks, how often each resample draws each of `num` blocks or samples, (r, num)."""
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; a bootstrap needs at least one, 1,000 is usual")
    rng = np.random.default_rng(seed)
    chunk = max(1, _COUNTS_PER_CHUNK // num)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        draws = rng.integers(num, size=(size, num))
        draws += num * np.arange(size)[:, None]
        yield np.bincount(draws.ravel(), minlength=size * num).reshape(size, -1).astype(np.float64)


def interval(drawn: Floats) -> tuple[float, float]:
    """Returns the 95 % percentile interval of a figure's resamples, (r,), ignoring undefined ones (NaN)."""
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)
