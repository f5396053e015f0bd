"""Recall of a similarity index: the share of true nearest neighbors that it finds, on a sample of its embeddings."""

import numpy as np
import torch
from numpy.typing import NDArray

from ml.embeddings.neighbors import Neighbors, nearest_in_batches
from ml.embeddings.similarity_index import Batches, SimilarityIndex, read_rows
from ml.vectors import Vectors, unit_rows

TOLERANCE = 1e-5  # of float32 cosines, which depend on the order of summation


def measure_recall(
    index: SimilarityIndex, batches: Batches, device: torch.device, k: int = 10, num_queries: int = 1_000, seed: int = 0
) -> float:
    """Measures recall@k against an exact search, for queries drawn from the indexed embeddings.

    A query is not its own neighbor. A neighbor as near as the true k-th counts as found, because images of several
    products have equal embeddings.

    Args:
        index: The index.
        batches: The indexed embeddings, which are read three times.
        device: The device of the exact search.
        k: Number of neighbors; reduced to the number of other embeddings if there are fewer.
        num_queries: Number of queries to draw.
        seed: Seed of the draw.

    Returns:
        The share of found neighbors, in 0..1.

    Raises:
        ValueError: The index has only one embedding.

    Source:
        ann-benchmarks, Aumüller et al. 2018, arXiv:1807.05614.
    """
    if len(index) < 2:
        raise ValueError("the index has one embedding, so recall is not defined; index at least two")
    k = min(k, len(index) - 1)
    rng = np.random.default_rng(seed)
    own = np.sort(rng.choice(len(index), min(num_queries, len(index)), replace=False))
    queries = read_rows(batches, own, index.dim)
    exact = nearest_in_batches(batches(), queries, k + 1, device)
    found = index.search(queries, k + 1)
    true = Neighbors(_cosines(queries, found.positions, batches), found.positions)
    wanted = _without_own(exact, own)[:, -1:] - TOLERANCE
    return float((_without_own(true, own) >= wanted).mean())


def _cosines(queries: Vectors, positions: NDArray[np.int64], batches: Batches) -> Vectors:
    """Returns the exact cosines of each query with its found neighbors, (num_queries, k)."""
    distinct, where = np.unique(positions, return_inverse=True)
    rows = unit_rows(read_rows(batches, distinct, queries.shape[1]))
    cosines = np.empty(positions.shape, dtype=np.float32)
    for row, (query, at) in enumerate(zip(unit_rows(queries), where.reshape(positions.shape), strict=True)):
        cosines[row] = rows[at] @ query
    return cosines


def _without_own(found: Neighbors, own: NDArray[np.int64]) -> Vectors:
    """Drops the query itself from k + 1 cosines, or the last one if k + 1 equal embeddings crowd it out."""
    is_own = found.positions == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    others: Vectors = found.similarities[~is_own].reshape(len(own), -1)
    return others
