"""RetrievalScores: recall and average precision against rankings walked through by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from ml.embeddings.retrieval import retrieval_scores
from ml.vectors import LabeledEmbeddings
from tests.ml.clouds import cloud, noise

CPU = torch.device("cpu")


def by_hand(bank: LabeledEmbeddings, query: np.ndarray, label: int) -> tuple[float, float, float]:
    """Recall at 1 and 5 and average precision, rank after rank."""
    cosines = [float(query @ row / (np.linalg.norm(query) * np.linalg.norm(row))) for row in bank.vectors]
    ranked = [bool(bank.labels[position] == label) for position in np.argsort(cosines)[::-1]]
    precisions = [sum(ranked[: rank + 1]) / (rank + 1) for rank, is_relevant in enumerate(ranked) if is_relevant]
    average = sum(precisions) / len(precisions) if precisions else 0.0
    return float(ranked[0]), float(any(ranked[:5])), average


@given(num=st.integers(1, 40), num_categories=st.integers(1, 6), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_every_query_s_figures_are_those_of_its_ranking(num: int, num_categories: int, seed: int) -> None:
    bank = cloud(num, num_categories, spread=3.0, seed=seed)
    queries = cloud(7, num_categories, spread=3.0, seed=seed + 1)
    found = retrieval_scores(bank, queries, CPU)
    expected = [by_hand(bank, query, label) for query, label in zip(queries.vectors, queries.labels, strict=True)]
    figures = np.stack([found.recall_at_1, found.recall_at_5, found.average_precision], axis=1)
    assert np.allclose(figures, expected, atol=1e-5)


def test_the_average_precision_is_scikit_learns() -> None:
    bank, queries = cloud(80, spread=3.0), cloud(10, spread=3.0, seed=1)
    cosines = queries.vectors @ (bank.vectors / np.linalg.norm(bank.vectors, axis=1, keepdims=True)).T
    expected = [
        average_precision_score(bank.labels == label, row) for label, row in zip(queries.labels, cosines, strict=True)
    ]
    assert np.allclose(retrieval_scores(bank, queries, CPU).average_precision, expected, atol=1e-5)


def test_in_pieces_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, queries = cloud(80, spread=3.0), cloud(10, spread=3.0, seed=1)
    whole = retrieval_scores(bank, queries, CPU)
    monkeypatch.setattr("ml.embeddings.retrieval.MAX_CELLS", 240)  # three queries at once
    assert np.array_equal(retrieval_scores(bank, queries, CPU).average_precision, whole.average_precision)


def test_a_category_that_the_bank_lacks_is_never_found() -> None:
    found = retrieval_scores(cloud(20), LabeledEmbeddings(noise(1), np.array([9])), CPU)
    assert found.recall_at_1.tolist() == found.recall_at_5.tolist() == found.average_precision.tolist() == [0.0]


def test_embeddings_of_another_encoder_are_refused() -> None:
    with pytest.raises(ValueError, match="evaluated embeddings have 5 dimensions, expected 24"):
        retrieval_scores(cloud(8), LabeledEmbeddings(noise(1, 5), np.array([100])), CPU)
