"""Out-of-fold predictions: neither an image's own label nor that of a copy affects its prediction."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.classifiers.out_of_fold import folds, out_of_fold_probabilities
from ml.vectors import LabeledEmbeddings
from tests.ml.clouds import cloud

CPU = torch.device("cpu")


@given(seed=st.integers(0, 200), num=st.integers(1, 200), num_classes=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_no_group_is_in_two_folds_and_classes_are_spread_evenly(seed: int, num: int, num_classes: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(num_classes, size=num)
    groups = rng.integers(num, size=num)
    fold = folds(targets, groups)
    for group in np.unique(groups):
        assert len(np.unique(fold[groups == group])) == 1
    alone = folds(targets, np.arange(num))
    for each in np.unique(targets):
        counts = np.bincount(alone[targets == each], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_the_labels_of_a_fold_do_not_change_its_predictions() -> None:
    train = cloud(100, spread=2.0)
    fold = folds(train.labels, np.arange(100))
    before = out_of_fold_probabilities(train, fold, CPU)
    other = train.labels.copy()
    last = fold == 4  # the first chooses the weight decay
    other[last] = np.roll(other[last], 1)
    after = out_of_fold_probabilities(LabeledEmbeddings(train.vectors, other), fold, CPU)
    assert np.allclose(before[last], after[last], atol=1e-4)
    assert not np.allclose(before[~last], after[~last], atol=1e-4)


def test_separate_categories_are_predicted_with_probabilities_that_sum_to_one() -> None:
    train = cloud(200)
    probabilities = out_of_fold_probabilities(train, folds(train.labels, np.arange(200)), CPU)
    assert (np.unique(train.labels)[probabilities.argmax(axis=1)] == train.labels).all()
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_single_fold_is_refused() -> None:
    with pytest.raises(ValueError, match="1 fold is not enough"):
        out_of_fold_probabilities(cloud(8), np.zeros(8, dtype=np.int64), CPU)
