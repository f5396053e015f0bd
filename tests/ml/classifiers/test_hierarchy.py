"""The hierarchy: ids to classes and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.classifiers.hierarchy import UNKNOWN, Hierarchy

LABELS = np.array([[1, 7, 30, 500], [1, 5, 20, 400], [1, 7, 30, 400]])


def test_each_level_knows_its_training_ids_in_order() -> None:
    hierarchy = Hierarchy.of_labels(LABELS)
    assert hierarchy.ids == ((1,), (5, 7), (20, 30), (400, 500))
    assert hierarchy.num_classes == (1, 2, 2, 2)
    assert hierarchy.encode(LABELS).tolist() == [[0, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]]


@given(st.lists(st.tuples(*[st.integers(-5, 10**12)] * 4), min_size=1, max_size=30))
def test_encoding_then_decoding_gives_the_ids_back(rows: list[tuple[int, ...]]) -> None:
    labels = np.array(rows, dtype=np.int64)
    hierarchy = Hierarchy.of_labels(labels)
    encoded = hierarchy.encode(labels)
    decoded = [hierarchy.decode(level, encoded[:, level]) for level in range(4)]
    assert np.array_equal(np.stack(decoded, axis=1), labels)


@pytest.mark.parametrize("unseen", [0, 450, 999])
def test_an_id_that_training_never_saw_is_no_class(unseen: int) -> None:
    encoded = Hierarchy.of_labels(LABELS).encode(np.array([[1, 5, 20, unseen]]))
    assert encoded.tolist() == [[0, 0, 0, UNKNOWN]]


def test_no_labels_and_another_number_of_levels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got the shape \(0, 4\)"):
        Hierarchy.of_labels(LABELS[:0])
    with pytest.raises(ValueError, match=r"must be \(num_examples, 4\), got the shape \(3, 2\)"):
        Hierarchy.of_labels(LABELS).encode(LABELS[:, :2])
