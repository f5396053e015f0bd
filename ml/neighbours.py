"""Neighbours: the exact nearest embeddings by cosine, in matrix products of bounded memory.

Whatever approximates a search is judged against this one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.vectors import Vectors, checked, unit_rows

QUERIES_AT_ONCE = 1024
ROWS_AT_ONCE = 16_384  # with the queries at once, 64 MiB of similarities


@dataclass(frozen=True)
class Neighbours:
    """The nearest of each query, nearest first: cosines and positions, each (num_queries, k)."""

    similarities: Vectors
    positions: NDArray[np.int64]


def nearest(queries: Vectors, bank: Vectors, k: int, device: torch.device) -> Neighbours:
    """The `k` embeddings of the bank (num, dim) nearest to each query (num_queries, dim).

    Raises:
        ValueError: nothing to search or to search for, other dimensions, NaN, or `k` not within 1..num.
    """
    return nearest_in([bank], queries, k, device)


def nearest_in(batches: Iterable[Vectors], queries: Vectors, k: int, device: torch.device) -> Neighbours:
    """As `nearest`, of a bank that comes in batches and need not fit into memory; positions count through all."""
    wanted = torch.from_numpy(unit_rows(checked(queries, "queries"))).to(device)
    similarities = torch.empty((len(wanted), 0), device=device)
    positions = torch.empty((len(wanted), 0), dtype=torch.int64, device=device)
    num_rows = 0
    for piece in _pieces(batches, wanted.shape[1]):
        rows = piece.to(device)
        merged = [
            _merge(part @ rows.T, num_rows, known, at, max(k, 0))
            for part, known, at in zip(
                torch.split(wanted, QUERIES_AT_ONCE),
                torch.split(similarities, QUERIES_AT_ONCE),
                torch.split(positions, QUERIES_AT_ONCE),
                strict=True,
            )
        ]
        similarities, positions = (torch.cat(side) for side in zip(*merged, strict=True))
        num_rows += len(rows)
    require_k(k, num_rows)
    return Neighbours(similarities.cpu().numpy(), positions.cpu().numpy())


def require_k(k: int, num_rows: int) -> None:
    """Refuse, with ValueError, to look for more neighbours than there are, or for none."""
    if not 1 <= k <= num_rows:
        raise ValueError(f"k is {k}, but there are {num_rows:,} embeddings to search; give k within 1..{num_rows}")


def _merge(cosines: Tensor, first: int, known: Tensor, positions: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The best `k` of those known, (num_queries, at most k), and of a piece's cosines (num_queries, rows)."""
    best = cosines.topk(min(k, cosines.shape[1]), dim=1)
    both, where = torch.cat([known, best.values], dim=1), torch.cat([positions, best.indices + first], dim=1)
    kept = both.topk(min(k, both.shape[1]), dim=1)
    return kept.values, where.gather(1, kept.indices)


def _pieces(batches: Iterable[Vectors], dim: int) -> Iterator[Tensor]:
    """The bank's unit vectors, few enough at once."""
    for batch in batches:
        for start in range(0, len(batch), ROWS_AT_ONCE):
            yield torch.from_numpy(unit_rows(checked(batch[start : start + ROWS_AT_ONCE], "embeddings", dim)))
