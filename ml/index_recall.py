"""Recall of an index: how many of the true nearest neighbours a search returns, on a sample of what is indexed."""

import numpy as np
import torch
from numpy.typing import NDArray

from ml.neighbours import Neighbours, nearest_in
from ml.similarity import Batches, SimilarityIndex, rows_at
from ml.vectors import Vectors, unit_rows

TOLERANCE = 1e-5  # of cosines in float32, summed in another order


def measured_recall(
    index: SimilarityIndex, batches: Batches, device: torch.device, k: int = 10, num_queries: int = 1_000, seed: int = 0
) -> float:
    """Recall@k of the index against an exact search, for embeddings drawn from those that it was built of.

    A query does not count as its own neighbour. One that is as near as the true k-th is as good, as ann-benchmarks
    counts (Aumüller et al. 2018, arXiv:1807.05614): pictures used by many products have many equal embeddings. An index
    of at most `k` others is asked for all of them. The embeddings are read three times.

    Raises:
        ValueError: the index holds one embedding, which has no neighbour.
    """
    if len(index) < 2:
        raise ValueError("the index holds one embedding, so recall is not defined; index at least two")
    k = min(k, len(index) - 1)
    rng = np.random.default_rng(seed)
    own = np.sort(rng.choice(len(index), min(num_queries, len(index)), replace=False))
    queries = rows_at(batches, own, index.dim)
    exact = nearest_in(batches(), queries, k + 1, device)
    found = index.search(queries, k + 1)
    true = Neighbours(_cosines(queries, found.positions, batches), found.positions)
    wanted = _without_own(exact, own)[:, -1:] - TOLERANCE
    return float((_without_own(true, own) >= wanted).mean())


def _cosines(queries: Vectors, positions: NDArray[np.int64], batches: Batches) -> Vectors:
    """The true cosines of each query with what was found for it, (num_queries, k)."""
    distinct, where = np.unique(positions, return_inverse=True)
    held = unit_rows(rows_at(batches, distinct, queries.shape[1]))
    cosines = np.empty(positions.shape, dtype=np.float32)
    for row, (query, at) in enumerate(zip(unit_rows(queries), where.reshape(positions.shape), strict=True)):
        cosines[row] = held[at] @ query
    return cosines


def _without_own(found: Neighbours, own: NDArray[np.int64]) -> Vectors:
    """The cosines (num_queries, k) of k + 1 found, without the query's own, or the last where k + 1 equals hide it."""
    is_own = found.positions == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    others: Vectors = found.similarities[~is_own].reshape(len(own), -1)
    return others
