"""Vectors: an invalid embedding is refused with its name, value and way out before any computation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.vectors import LabeledEmbeddings, checked, unit_rows
from tests.ml.clouds import noise


def test_good_vectors_come_through_as_contiguous_float32() -> None:
    vectors = noise(6).astype(np.float64)[::2]
    seen = checked(vectors, "embeddings")
    assert seen.dtype == np.float32
    assert seen.flags["C_CONTIGUOUS"]
    assert np.allclose(seen, vectors)


@pytest.mark.parametrize("shape", [(0, 8), (3, 0), (8,), (2, 2, 2)])
def test_no_row_or_no_matrix_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"queries have the shape \({shape[0]},.*at least one row"):
        checked(np.zeros(shape, dtype=np.float32), "queries")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_refused_with_the_first_row_that_has_it(number: float) -> None:
    vectors = noise(10)
    vectors[[3, 7], 2] = number
    with pytest.raises(ValueError, match=r"2 of 10 embeddings have NaN or infinite numbers, the first at row 3; embed"):
        checked(vectors, "embeddings")


def test_another_dimension_is_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r"queries have 24 dimensions, expected 8; embed them with the same encoder"):
        checked(noise(2), "queries", dim=8)


@given(scale=st.floats(1e-10, 1e10), seed=st.integers(0, 100))
def test_unit_rows_have_length_one_and_their_direction_at_any_scale(scale: float, seed: int) -> None:
    vectors = noise(5, seed=seed)
    scaled = unit_rows((vectors * np.float32(scale)).astype(np.float32))
    assert np.allclose(np.linalg.norm(scaled, axis=1), 1, atol=1e-5)
    assert np.allclose(scaled, unit_rows(vectors), atol=1e-5)


def test_a_vector_of_zeros_stays_one() -> None:
    assert not unit_rows(np.zeros((1, 4), dtype=np.float32)).any()


def test_each_embedding_has_one_label() -> None:
    with pytest.raises(ValueError, match=r"3 embeddings have labels of the shape \(2,\); give one label to each"):
        LabeledEmbeddings(noise(3), np.array([1, 2]))
