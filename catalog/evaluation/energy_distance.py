"""Energy distance between two samples of vectors; it responds to differences of location, spread and shape.

The coefficient is (2 E|X - Y| - E|X - X'| - E|Y - Y'|) / 2 E|X - Y| (Székely and Rizzo 2013, Energy statistics): 0
for equal distributions, 1 for two different single points. Means are over pairs of different vectors, so that
without a shift it is 0 on average at any sample size. Its p value is a permutation test's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGE = 0.02  # a single category against all others has several times as much
MAX_P = 0.01
NUM_PERMUTATIONS = 199
MAX_VECTORS = 2_000  # of a sample: its distances are a matrix

Vectors = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Energy:
    """The coefficient, at least 0, and the probability of one as large by chance."""

    coefficient: float
    p_value: float

    @property
    def is_large(self) -> bool:
        """True for a coefficient that is large and that chance does not explain."""
        return self.coefficient >= LARGE and self.p_value <= MAX_P


def energy(first: Vectors, second: Vectors, seed: int = 0) -> Energy:
    """Computes the energy coefficient of two samples, (n, dim) and (m, dim), from at most `MAX_VECTORS` of each.

    Raises:
        ValueError: a sample has fewer than two vectors.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(f"{len(first)} and {len(second)} vectors; each sample needs at least two")
    rng = np.random.default_rng(seed)
    first, second = (_at_most(sample, rng) for sample in (first, second))
    distances = _distances(np.concatenate([first, second]).astype(np.float64))
    is_first = np.arange(len(distances)) < len(first)
    permutations = np.stack([is_first, *(rng.permutation(is_first) for _ in range(NUM_PERMUTATIONS))])
    found, *by_chance = _coefficients(distances, permutations)
    exceeding = int((np.asarray(by_chance) >= found).sum())
    return Energy(coefficient=max(0.0, float(found)), p_value=(exceeding + 1) / (NUM_PERMUTATIONS + 1))


def _at_most(sample: Vectors, rng: np.random.Generator) -> Vectors:
    if len(sample) <= MAX_VECTORS:
        return sample
    drawn: Vectors = sample[np.sort(rng.choice(len(sample), MAX_VECTORS, replace=False))]
    return drawn


def _distances(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Euclidean distances of all pairs, (n, n)."""
    centered = vectors - vectors.mean(axis=0)  # a common offset would cost precision
    squares = np.einsum("ij,ij->i", centered, centered)
    squared = squares[:, None] + squares[None, :] - 2 * (centered @ centered.T)
    np.fill_diagonal(squared, 0.0)
    distances: NDArray[np.float32] = np.sqrt(np.maximum(squared, 0.0)).astype(np.float32)
    return distances


def _coefficients(distances: NDArray[np.float32], is_first: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the coefficient of each permutation, (num_permutations,), which may be below 0.

    `is_first`, (num_permutations, n), marks the vectors of the first sample.
    """
    num = is_first.sum(axis=1)
    rest = is_first.shape[1] - num
    ones = is_first.astype(np.float32)
    rows = (ones @ distances).astype(np.float64)  # each vector's distances to the first sample, summed
    within = (rows * ones).sum(axis=1)
    across = (rows * (1 - ones)).sum(axis=1)
    beyond = float(distances.sum(dtype=np.float64)) - within - 2 * across
    between = across / (num * rest)
    gap = 2 * between - within / (num * (num - 1)) - beyond / (rest * (rest - 1))
    result: NDArray[np.float64] = np.divide(gap, 2 * between, out=np.zeros_like(gap), where=between > 0)
    return result
