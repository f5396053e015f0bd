"""The hierarchy: ids to classes and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.classifiers.hierarchy import UNKNOWN, Hierarchy, joint
from tests.ml.classifiers.trees import tree_labels

LABELS = np.array([[1, 7, 30, 500], [1, 5, 20, 400], [1, 7, 30, 401]])


def test_each_level_has_its_training_ids_sorted() -> None:
    hierarchy = Hierarchy.of_labels(LABELS)
    assert hierarchy.ids == ((1,), (5, 7), (20, 30), (400, 401, 500))
    assert hierarchy.num_classes == (1, 2, 2, 3)
    assert hierarchy.encode(LABELS).tolist() == [[0, 1, 1, 2], [0, 0, 0, 0], [0, 1, 1, 1]]


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_encoding_then_decoding_gives_the_ids_back(seed: int) -> None:
    labels = tree_labels(seed)
    hierarchy = Hierarchy.of_labels(labels)
    encoded = hierarchy.encode(labels)
    decoded = [hierarchy.decode(level, encoded[:, level]) for level in range(4)]
    assert np.array_equal(np.stack(decoded, axis=1), labels)


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_paths_equal_the_distinct_labels(seed: int) -> None:
    labels = tree_labels(seed)
    assert Hierarchy.of_labels(labels).labels.tolist() == sorted(
        np.unique(labels, axis=0).tolist(), key=lambda p: p[-1]
    )


def test_an_id_with_two_parents_is_refused() -> None:
    with pytest.raises(ValueError, match="category 30 lies below 5, 7; give it one parent"):
        Hierarchy.of_labels(np.array([[1, 7, 30, 500], [1, 5, 30, 400]]))


def test_unlabeled_examples_are_ignored_and_only_unlabeled_ones_are_refused() -> None:
    unlabeled = np.full((2, 4), UNKNOWN)
    assert Hierarchy.of_labels(np.concatenate([unlabeled, LABELS])) == Hierarchy.of_labels(LABELS)
    with pytest.raises(ValueError, match="none of 2 examples has a label"):
        Hierarchy.of_labels(unlabeled)


def test_a_joint_hierarchy_has_the_classes_of_all_members() -> None:
    first, second = Hierarchy.of_labels(LABELS[:1]), Hierarchy.of_labels(LABELS[1:])
    assert joint([first, second]) == Hierarchy.of_labels(LABELS)
    with pytest.raises(ValueError, match="at least one member"):
        joint([])
    with pytest.raises(ValueError, match=r"different numbers of levels: \[3, 4\]"):
        joint([first, Hierarchy.of_labels(LABELS[:, :3])])


@pytest.mark.parametrize("unseen", [0, 450, 999])
def test_an_id_without_training_labels_is_unknown(unseen: int) -> None:
    encoded = Hierarchy.of_labels(LABELS).encode(np.array([[1, 5, 20, unseen]]))
    assert encoded.tolist() == [[0, 0, 0, UNKNOWN]]


def test_empty_labels_and_another_number_of_levels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got the shape \(0, 4\)"):
        Hierarchy.of_labels(LABELS[:0])
    with pytest.raises(ValueError, match=r"must be \(num_examples, 4\), got the shape \(3, 2\)"):
        Hierarchy.of_labels(LABELS).encode(LABELS[:, :2])
