"""Energy distance: how far apart two samples of vectors lie, whatever differs between them: place, spread or shape.

The coefficient is (2 E|X - Y| - E|X - X'| - E|Y - Y'|) / 2 E|X - Y| (Székely and Rizzo 2013, Energy statistics): 0
where both are of one distribution, 1 where each is a single point and they differ. Means are over pairs of different
vectors, so that without a shift it is 0 on average at any size; how often chance alone would exceed it is told by
sharing the vectors out anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGE = 0.02  # that of a single category is several times as much, with an encoder that tells categories apart
MAX_P = 0.01
NUM_PERMUTATIONS = 199
MAX_VECTORS = 2_000  # of a sample: its distances are a matrix

Vectors = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Energy:
    """The coefficient, at least 0, and how often one as large comes of chance alone."""

    coefficient: float
    p_value: float

    @property
    def is_large(self) -> bool:
        """Whether it is a shift that matters, and no chance."""
        return self.coefficient >= LARGE and self.p_value <= MAX_P


def energy(first: Vectors, second: Vectors, seed: int = 0) -> Energy:
    """The energy coefficient of two samples (n, dim) and (m, dim), by at most `MAX_VECTORS` of each.

    Raises:
        ValueError: a sample has fewer than two vectors, of which no distance can be taken.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(f"{len(first)} vectors beside {len(second)}; each side needs at least two")
    rng = np.random.default_rng(seed)
    first, second = (_at_most(sample, rng) for sample in (first, second))
    distances = _distances(np.concatenate([first, second]).astype(np.float64))
    is_first = np.arange(len(distances)) < len(first)
    shared_out = np.stack([is_first, *(rng.permutation(is_first) for _ in range(NUM_PERMUTATIONS))])
    found, *by_chance = _coefficients(distances, shared_out)
    exceeding = int((np.asarray(by_chance) >= found).sum())
    return Energy(coefficient=max(0.0, float(found)), p_value=(exceeding + 1) / (NUM_PERMUTATIONS + 1))


def _at_most(sample: Vectors, rng: np.random.Generator) -> Vectors:
    if len(sample) <= MAX_VECTORS:
        return sample
    drawn: Vectors = sample[np.sort(rng.choice(len(sample), MAX_VECTORS, replace=False))]
    return drawn


def _distances(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Euclidean distances of all pairs, (n, n)."""
    centred = vectors - vectors.mean(axis=0)  # what all share would cost digits
    squares = np.einsum("ij,ij->i", centred, centred)
    squared = squares[:, None] + squares[None, :] - 2 * (centred @ centred.T)
    np.fill_diagonal(squared, 0.0)
    distances: NDArray[np.float32] = np.sqrt(np.maximum(squared, 0.0)).astype(np.float32)
    return distances


def _coefficients(distances: NDArray[np.float32], is_first: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The coefficient of each way of sharing the vectors out, (num_ways, n), before what is below 0 is cut off."""
    num = is_first.sum(axis=1)
    rest = is_first.shape[1] - num
    ones = is_first.astype(np.float32)
    rows = (ones @ distances).astype(np.float64)  # of each vector, the sum of its distances to the first sample
    within = (rows * ones).sum(axis=1)
    across = (rows * (1 - ones)).sum(axis=1)
    beyond = float(distances.sum(dtype=np.float64)) - within - 2 * across
    between = across / (num * rest)
    gap = 2 * between - within / (num * (num - 1)) - beyond / (rest * (rest - 1))
    result: NDArray[np.float64] = np.divide(gap, 2 * between, out=np.zeros_like(gap), where=between > 0)
    return result
