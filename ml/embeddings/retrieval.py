"""Retrieval metrics: recall and average precision of ranking a bank by cosine similarity to each query."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.vectors import LabeledEmbeddings, Vectors, unit_rows

MAX_CELLS = 1 << 24  # similarities ranked at once: 64 MiB, and as much again for the ranking


@dataclass(frozen=True)
class RetrievalScores:
    """Scores of each query, (num_queries,); means over any subset of queries are that subset's metrics.

    A query whose category is not in the bank scores 0.

    Attributes:
        recall_at_1: 1.0 if the nearest is of the query's category (Oh Song et al. 2016, arXiv:1511.06452).
        recall_at_5: 1.0 if one of the five nearest is.
        average_precision: Average precision of the whole ranking.
    """

    recall_at_1: NDArray[np.float32]
    recall_at_5: NDArray[np.float32]
    average_precision: NDArray[np.float32]


def retrieval_scores(bank: LabeledEmbeddings, queries: LabeledEmbeddings, device: torch.device) -> RetrievalScores:
    """Ranks the whole bank for each query and scores the rankings; equal cosines keep the bank's order.

    Args:
        bank: Labeled embeddings to search, (num, dim).
        queries: Labeled embeddings, (num_queries, dim).
        device: The device that computes.

    Raises:
        ValueError: The dimensions differ.
    """
    bank.require_dim(queries)
    rows, labels = _on(bank.vectors, device), torch.from_numpy(bank.labels).to(device)
    at_once = max(1, MAX_CELLS // len(rows))
    query_labels = torch.from_numpy(queries.labels).to(device)
    scores = []
    for start in range(0, len(query_labels), at_once):
        part = slice(start, start + at_once)
        ranked = (_on(queries.vectors[part], device) @ rows.T).argsort(dim=1, descending=True, stable=True)
        scores.append(_scores(labels[ranked] == query_labels[part, None]))
    return RetrievalScores(*torch.cat(scores, dim=1).cpu().numpy())


def _scores(relevant: Tensor) -> Tensor:
    """Returns recall at 1 and 5 and average precision, (3, num_queries), of relevance (num_queries, num_ranked)."""
    ranks = torch.arange(1, relevant.shape[1] + 1, device=relevant.device)
    precisions = relevant.cumsum(dim=1) / ranks
    average = (precisions * relevant).sum(dim=1) / relevant.sum(dim=1).clamp(min=1)
    return torch.stack([relevant[:, 0].float(), relevant[:, :5].any(dim=1).float(), average])


def _on(vectors: Vectors, device: torch.device) -> Tensor:
    return torch.from_numpy(unit_rows(vectors)).to(device)
