"""Retrieval: whether pictures of a query's own category come first when all are ranked by cosine."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.vectors import Labelled, Vectors, unit_rows

MAX_CELLS = 1 << 24  # similarities ranked at once: 64 MiB, and as much again for their order


@dataclass(frozen=True)
class Retrieval:
    """What each query found, (num_queries,): the mean over any choice of queries is the figure of that choice.

    `recall_at_1` and `recall_at_5` are 1 where one of the first (five) is of the query's category, as metric learning
    counts it (Oh Song et al. 2016, arXiv:1511.06452); `average_precision` is of the whole ranking. A query whose
    category the bank lacks finds nothing: 0.
    """

    recall_at_1: NDArray[np.float32]
    recall_at_5: NDArray[np.float32]
    average_precision: NDArray[np.float32]


def retrieval(bank: Labelled, queries: Labelled, device: torch.device) -> Retrieval:
    """What the queries find in the bank; equal cosines keep the bank's order.

    Raises:
        ValueError: the dimensions differ.
    """
    bank.require_dim(queries)
    rows, labels = _on(bank.vectors, device), torch.from_numpy(bank.labels).to(device)
    at_once = max(1, MAX_CELLS // len(rows))
    wanted = torch.from_numpy(queries.labels).to(device)
    figures = []
    for start in range(0, len(wanted), at_once):
        part = slice(start, start + at_once)
        ranked = (_on(queries.vectors[part], device) @ rows.T).argsort(dim=1, descending=True, stable=True)
        figures.append(_figures(labels[ranked] == wanted[part, None]))
    return Retrieval(*torch.cat(figures, dim=1).cpu().numpy())


def _figures(relevant: Tensor) -> Tensor:
    """Recall at 1 and 5 and the average precision, (3, num_queries), of rankings: (num_queries, num_ranked), bool."""
    ranks = torch.arange(1, relevant.shape[1] + 1, device=relevant.device)
    precisions = relevant.cumsum(dim=1) / ranks
    average = (precisions * relevant).sum(dim=1) / relevant.sum(dim=1).clamp(min=1)
    return torch.stack([relevant[:, 0].float(), relevant[:, :5].any(dim=1).float(), average])


def _on(vectors: Vectors, device: torch.device) -> Tensor:
    return torch.from_numpy(unit_rows(vectors)).to(device)
