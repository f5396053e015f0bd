"""Conformal prediction: the coverage is at least the requested one; predictions lie on the best leaf's path."""

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


def drawn(
    hierarchy: Hierarchy, num: int, rng: np.random.Generator, calibration: float = 1.0
) -> tuple[BestPaths, np.ndarray]:
    """Best paths of random probabilities, and classes (num, num_levels) drawn by them; below 1: overconfident."""
    logits = torch.from_numpy(rng.normal(scale=2.0, size=(num, hierarchy.num_classes[-1])))
    true = logits.mul(calibration).softmax(dim=1).numpy()
    leaves = (true.cumsum(axis=1) > rng.random((num, 1))).argmax(axis=1)
    levels = [level.exp().numpy() for level in Levels(hierarchy).marginalize(logits.log_softmax(dim=1))]
    return BestPaths.of(levels, hierarchy), hierarchy.paths[leaves]


@pytest.mark.parametrize("coverage", COVERAGES)
@pytest.mark.parametrize("calibration", [1.0, 0.4])
def test_new_images_have_the_requested_coverage_also_if_overconfident(coverage: float, calibration: float) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(3, num=200))
    rng = np.random.default_rng(int(coverage * 100))
    shares = []
    for _ in range(200):
        chosen_on, chosen_targets = drawn(hierarchy, 150, rng, calibration)
        threshold = conformal_threshold(chosen_on.scores(chosen_targets), coverage)
        new, new_targets = drawn(hierarchy, 150, rng, calibration)
        shares.append(new.are_covered(new_targets, threshold).mean())
    # 200 draws of both sets: the mean of 200 shares whose deviation is that of 150 + 150 images.
    deviation = math.sqrt(2 * coverage * (1 - coverage) / 150 / 200)
    assert coverage - 3 * deviation < np.mean(shares) < coverage + 1 / 151 + 3 * deviation


@given(seed=st.integers(0, 1_000), num=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_more_coverage_gives_shallower_predictions(seed: int, num: int) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(seed))
    paths, targets = drawn(hierarchy, num, np.random.default_rng(seed))
    scores = paths.scores(targets)
    thresholds = [conformal_threshold(scores, coverage) for coverage in (0.5, *COVERAGES, 0.999)]
    assert thresholds == sorted(thresholds)
    depths = [paths.depths(threshold) for threshold in thresholds]
    for deeper, shallower in pairwise(depths):
        assert (shallower <= deeper).all()


@given(seed=st.integers(0, 1_000), threshold=st.floats(-1, 1))
@settings(max_examples=40, deadline=None)
def test_a_prediction_is_the_deepest_node_of_the_best_path_above_the_threshold(seed: int, threshold: float) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(seed))
    rng = np.random.default_rng(seed)
    leaves = rng.dirichlet(np.ones(hierarchy.num_classes[-1]), size=20)
    levels = [level.exp().numpy() for level in Levels(hierarchy).marginalize(torch.from_numpy(leaves).log())]
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
def test_a_score_is_the_smallest_threshold_that_covers(seed: int) -> None:
    hierarchy = Hierarchy.of_labels(tree_labels(seed))
    paths, targets = drawn(hierarchy, 20, np.random.default_rng(seed))
    for row, score in enumerate(paths.scores(targets)):
        assert paths.are_covered(targets, score)[row]
        assert score == ALWAYS or not paths.are_covered(targets, np.nextafter(score, -2))[row]


def test_an_unknown_leaf_is_covered_by_its_ancestors() -> None:
    hierarchy = Hierarchy.of_labels(np.array([[1, 11, 111], [1, 11, 112], [1, 12, 121]]))
    leaves = np.array([[0.5, 0.3, 0.2]] * 3)
    levels = [np.array([[1.0]] * 3), np.array([[0.8, 0.2]] * 3), leaves]
    paths = BestPaths.of(levels, hierarchy)
    targets = np.array([[0, 0, UNKNOWN], [0, UNKNOWN, UNKNOWN], [0, 0, 0]])
    assert paths.right_depths(targets).tolist() == [2, 1, 3]
    assert paths.scores(targets).tolist() == [0.5, 0.8, ALWAYS]
    assert paths.are_covered(targets, 0.6).tolist() == [True, False, True]


@pytest.mark.parametrize(("num", "coverage", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (99, 0.95, 95), (10, 0.8, 9)])
def test_the_threshold_counts_the_new_image_as_well(num: int, coverage: float, rank: int) -> None:
    scores = np.arange(1, num + 1) / (num + 1)
    assert conformal_threshold(scores[::-1].copy(), coverage) == scores[rank - 1]


def test_too_few_images_for_the_coverage_predict_nothing() -> None:
    assert conformal_threshold(np.array([0.1] * 8), 0.9) == NEVER
    hierarchy = Hierarchy.of_labels(np.array([[1, 11], [1, 12]]))
    sure = BestPaths.of([np.array([[1.0]]), np.array([[1.0, 0.0]])], hierarchy)
    assert sure.depths(NEVER).tolist() == [0]


def test_invalid_coverages_scores_and_shapes_are_refused() -> None:
    for coverage in (0.0, 1.0, 90.0):
        with pytest.raises(ValueError, match="must lie between 0 and 1"):
            conformal_threshold(np.array([0.1]), coverage)
    with pytest.raises(ValueError, match="no calibration image"):
        conformal_threshold(np.array([]), 0.9)
    hierarchy = Hierarchy.of_labels(np.array([[1, 11], [1, 12]]))
    paths = BestPaths.of([np.array([[1.0]]), np.array([[0.6, 0.4]])], hierarchy)
    with pytest.raises(ValueError, match=r"targets have the shape \(1, 3\), the best paths \(1, 2\)"):
        paths.right_depths(np.zeros((1, 3), dtype=np.int64))
