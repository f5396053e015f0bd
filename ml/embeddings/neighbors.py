"""Exact nearest neighbors by cosine similarity, in matrix products of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.vectors import Vectors, checked, unit_rows

if TYPE_CHECKING:  # a server that only reads an index of neighbors does without its 500 MiB
    import torch
    from torch import Tensor

QUERIES_AT_ONCE = 1024
ROWS_AT_ONCE = 16_384  # times QUERIES_AT_ONCE: 64 MiB of similarities


@dataclass(frozen=True)
class Neighbors:
    """Cosine similarities and positions of the nearest neighbors, each (num_queries, k), nearest first."""

    similarities: Vectors
    positions: NDArray[np.int64]


def nearest(queries: Vectors, bank: Vectors, k: int, device: torch.device) -> Neighbors:
    """Finds the `k` nearest neighbors of each query.

    Args:
        queries: (num_queries, dim).
        bank: The embeddings to search, (num, dim).
        k: Number of neighbors, within 1..num.
        device: The device that computes.

    Raises:
        ValueError: There are no queries or embeddings, dimensions differ, values are NaN, or `k` is out of range.
    """
    return nearest_in_batches([bank], queries, k, device)


def nearest_in_batches(batches: Iterable[Vectors], queries: Vectors, k: int, device: torch.device) -> Neighbors:
    """Like `nearest`, for a bank in batches that need not fit into memory; positions count over all batches."""
    import torch

    unit_queries = torch.from_numpy(unit_rows(checked(queries, "queries"))).to(device)
    similarities = torch.empty((len(unit_queries), 0), device=device)
    positions = torch.empty((len(unit_queries), 0), dtype=torch.int64, device=device)
    num_rows = 0
    for chunk in _chunks(batches, unit_queries.shape[1]):
        rows = chunk.to(device)
        merged = [
            _merge(part @ rows.T, num_rows, known, at, max(k, 0))
            for part, known, at in zip(
                torch.split(unit_queries, QUERIES_AT_ONCE),
                torch.split(similarities, QUERIES_AT_ONCE),
                torch.split(positions, QUERIES_AT_ONCE),
                strict=True,
            )
        ]
        similarities, positions = (torch.cat(side) for side in zip(*merged, strict=True))
        num_rows += len(rows)
    check_k(k, num_rows)
    return Neighbors(similarities.cpu().numpy(), positions.cpu().numpy())


def check_k(k: int, num_rows: int) -> None:
    """Raises ValueError if `k` is not within 1..num_rows."""
    if not 1 <= k <= num_rows:
        raise ValueError(f"k is {k}, but there are {num_rows:,} embeddings to search; give k within 1..{num_rows}")


def _merge(cosines: Tensor, first: int, known: Tensor, positions: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Merges the best neighbors so far, (num_queries, at most k), with the cosines (num_queries, rows) of a chunk."""
    import torch

    best = cosines.topk(min(k, cosines.shape[1]), dim=1)
    both, where = torch.cat([known, best.values], dim=1), torch.cat([positions, best.indices + first], dim=1)
    kept = both.topk(min(k, both.shape[1]), dim=1)
    return kept.values, where.gather(1, kept.indices)


def _chunks(batches: Iterable[Vectors], dim: int) -> Iterator[Tensor]:
    """Yields the bank's normalized rows in chunks of at most `ROWS_AT_ONCE`."""
    import torch

    for batch in batches:
        for start in range(0, len(batch), ROWS_AT_ONCE):
            yield torch.from_numpy(unit_rows(checked(batch[start : start + ROWS_AT_ONCE], "embeddings", dim)))
