"""Neighbors: the batched search against sorting all cosines by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.embeddings.neighbors import nearest, nearest_in_batches
from ml.vectors import Vectors
from tests.ml.clouds import noise

CPU = torch.device("cpu")


def by_hand(queries: Vectors, bank: Vectors, k: int) -> tuple[Vectors, np.ndarray]:
    """Cosines and positions, one query and one row after another."""
    similarities = np.array(
        [[q @ b / (np.linalg.norm(q) * np.linalg.norm(b)) for b in bank] for q in queries], dtype=np.float32
    )
    order = np.argsort(-similarities, axis=1)[:, :k]
    return np.take_along_axis(similarities, order, axis=1), order


@given(
    num=st.integers(1, 40),
    num_queries=st.integers(1, 9),
    dim=st.integers(2, 9),
    rows=st.integers(1, 50),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_it_finds_what_a_sort_of_all_cosines_finds_in_batches_of_any_size(
    num: int, num_queries: int, dim: int, rows: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, num))
    queries, bank = noise(num_queries, dim, seed=1), noise(num, dim, seed=2)
    found = nearest_in_batches([bank[start : start + rows] for start in range(0, num, rows)], queries, k, CPU)
    similarities, positions = by_hand(queries, bank, k)
    assert np.allclose(found.similarities, similarities, atol=1e-5)
    assert np.array_equal(found.positions, positions)


def test_more_queries_and_rows_than_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, bank = noise(50, seed=1), noise(300, seed=2)
    whole = nearest(queries, bank, 7, CPU)
    monkeypatch.setattr("ml.embeddings.neighbors.QUERIES_AT_ONCE", 8)
    monkeypatch.setattr("ml.embeddings.neighbors.ROWS_AT_ONCE", 32)
    pieced = nearest(queries, bank, 7, CPU)
    assert np.array_equal(pieced.positions, whole.positions)
    assert np.allclose(pieced.similarities, whole.similarities, atol=1e-6)


@pytest.mark.parametrize("k", [0, 6, -1])
def test_k_beyond_what_there_is_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=rf"k is {k}, but there are 5 embeddings to search; give k within 1\.\.5"):
        nearest(noise(2), noise(5), k, CPU)


def test_queries_of_another_dimension_are_refused() -> None:
    with pytest.raises(ValueError, match="embeddings have 6 dimensions, expected 5"):
        nearest(noise(1, 5), noise(3, 6), 1, CPU)
