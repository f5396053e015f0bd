"""Conformal answers: the coverage is the one asked for, and an answer is an ancestor of the best leaf or the leaf."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.classifiers.conformal import ALWAYS, NEVER, BestPaths, conformal_threshold
from ml.classifiers.hierarchy import UNKNOWN, Hierarchy
from ml.classifiers.levels import Levels
from tests.ml.classifiers.trees import tree_labels

COVERAGES = (0.8, 0.9, 0.95)


def guesses(
    hierarchy: Hierarchy, num: int, rng: np.random.Generator, honesty: float = 1.0
) -> tuple[BestPaths, np.ndarray]:
    """Best paths of random answers, and classes (num, num_levels) drawn by them; `honesty` below 1 boasts."""
    logits = torch.from_numpy(rng.normal(scale=2.0, size=(num, hierarchy.num_classes[-1])))
    true = logits.mul(honesty).softmax(dim=1).numpy()
    leaves = (true.cumsum(axis=1) > rng.random((num, 1))).argmax(axis=1)
    levels = [level.exp().numpy() for level in Levels(hierarchy).marginalise(logits.log_softmax(dim=1))]
    return BestPaths.of(levels, hierarchy), hierarchy.paths[leaves]


@pytest.mark.parametrize("coverage", COVERAGES)
@pytest.mark.parametrize("honesty", [1.0, 0.4])
def test_new_pictures_are_covered_as_often_as_asked_for_whatever_the_probabilities_are_worth(
    coverage: float, honesty: float
) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(3, num=200))
    rng = np.random.default_rng(int(coverage * 100))
    shares = []
    for _ in range(200):
        calibration, of_calibration = guesses(hierarchy, 150, rng, honesty)
        threshold = conformal_threshold(calibration.scores(of_calibration), coverage)
        judged, of_judged = guesses(hierarchy, 150, rng, honesty)
        shares.append(judged.are_covered(of_judged, threshold).mean())
    # 200 draws of both sets: the mean of 200 shares whose deviation is that of 150 + 150 pictures.
    deviation = math.sqrt(2 * coverage * (1 - coverage) / 150 / 200)
    assert coverage - 3 * deviation < np.mean(shares) < coverage + 1 / 151 + 3 * deviation


@given(seed=st.integers(0, 1_000), num=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_the_more_coverage_the_shallower_the_answers(seed: int, num: int) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(seed))
    paths, targets = guesses(hierarchy, num, np.random.default_rng(seed))
    scores = paths.scores(targets)
    thresholds = [conformal_threshold(scores, coverage) for coverage in (0.5, *COVERAGES, 0.999)]
    assert thresholds == sorted(thresholds)
    depths = [paths.depths(threshold) for threshold in thresholds]
    for deeper, shallower in pairwise(depths):
        assert (shallower <= deeper).all()


@given(seed=st.integers(0, 1_000), threshold=st.floats(-1, 1))
@settings(max_examples=40, deadline=None)
def test_an_answer_is_the_best_leaf_or_above_it_and_the_deepest_that_is_probable_enough(
    seed: int, threshold: float
) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(seed))
    rng = np.random.default_rng(seed)
    leaves = rng.dirichlet(np.ones(hierarchy.num_classes[-1]), size=20)
    levels = [level.exp().numpy() for level in Levels(hierarchy).marginalise(torch.from_numpy(leaves).log())]
    paths = BestPaths.of(levels, hierarchy)
    for row, depth in enumerate(paths.depths(threshold).tolist()):
        best = int(leaves[row].argmax())
        path = hierarchy.paths[best]
        below = [leaves[row][hierarchy.paths[:, level] == path[level]].sum() for level in range(len(path))]
        assert paths.classes[row].tolist() == path.tolist()
        assert np.allclose(paths.masses[row], below)
        enough = [level + 1 for level, mass in enumerate(paths.masses[row]) if mass > threshold]
        assert depth == max(enough, default=0)


@given(seed=st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_a_score_is_the_least_threshold_that_covers(seed: int) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(seed))
    paths, targets = guesses(hierarchy, 20, np.random.default_rng(seed))
    for row, score in enumerate(paths.scores(targets)):
        assert paths.are_covered(targets, score)[row]
        assert score == ALWAYS or not paths.are_covered(targets, np.nextafter(score, -2))[row]


def test_a_leaf_that_training_never_saw_is_covered_by_its_ancestors() -> None:
    hierarchy = Hierarchy.of_labels(np.array([[1, 11, 111], [1, 11, 112], [1, 12, 121]]))
    leaves = np.array([[0.5, 0.3, 0.2]] * 3)
    levels = [np.array([[1.0]] * 3), np.array([[0.8, 0.2]] * 3), leaves]
    paths = BestPaths.of(levels, hierarchy)
    targets = np.array([[0, 0, UNKNOWN], [0, UNKNOWN, UNKNOWN], [0, 0, 0]])
    assert paths.right_depths(targets).tolist() == [2, 1, 3]
    assert paths.scores(targets).tolist() == [0.5, 0.8, ALWAYS]
    assert paths.are_covered(targets, 0.6).tolist() == [True, False, True]


@pytest.mark.parametrize(("num", "coverage", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (99, 0.95, 95), (10, 0.8, 9)])
def test_the_threshold_counts_the_new_picture_among_the_calibration_ones(num: int, coverage: float, rank: int) -> None:
    scores = np.arange(1, num + 1) / (num + 1)
    assert conformal_threshold(scores[::-1].copy(), coverage) == scores[rank - 1]


def test_with_too_few_pictures_for_the_coverage_nothing_is_answered() -> None:
    assert conformal_threshold(np.array([0.1] * 8), 0.9) == NEVER
    hierarchy = Hierarchy.of_labels(np.array([[1, 11], [1, 12]]))
    sure = BestPaths.of([np.array([[1.0]]), np.array([[1.0, 0.0]])], hierarchy)
    assert sure.depths(NEVER).tolist() == [0]


def test_bad_coverages_no_scores_and_other_shapes_are_refused() -> None:
    for coverage in (0.0, 1.0, 90.0):
        with pytest.raises(ValueError, match="has to lie between 0 and 1"):
            conformal_threshold(np.array([0.1]), coverage)
    with pytest.raises(ValueError, match="no calibration picture"):
        conformal_threshold(np.array([]), 0.9)
    hierarchy = Hierarchy.of_labels(np.array([[1, 11], [1, 12]]))
    paths = BestPaths.of([np.array([[1.0]]), np.array([[0.6, 0.4]])], hierarchy)
    with pytest.raises(ValueError, match=r"targets are \(1, 3\), the best paths \(1, 2\)"):
        paths.right_depths(np.zeros((1, 3), dtype=np.int64))
