"""Losses against plain sums over examples."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.classifiers.hierarchy import UNKNOWN, Hierarchy
from ml.classifiers.losses import (
    ALPHA,
    BETA,
    LOSSES,
    MIN_VALUE,
    TrainingStatistics,
    cross_entropy,
    loss_named,
    top_k_accuracy,
)
from tests.ml.classifiers.trees import tree_labels

LOGITS = [torch.tensor([[0.0, 0.0], [2.0, -1.0]]), torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 3.0]])]
WEIGHTS = (0.25, 2.0)


def nll(logits: torch.Tensor, target: int) -> float:
    return -math.log(math.exp(logits[target]) / sum(math.exp(logit) for logit in logits))


def plain(depth_weights: tuple[float, ...], label_smoothing: float = 0.0) -> TrainingStatistics:
    """The settings of a loss that uses neither frequencies nor values."""
    return TrainingStatistics(
        depth_weights=depth_weights,
        label_smoothing=label_smoothing,
        num_of_class=(),
        value_of_leaf=torch.ones(0),
    )


def test_the_loss_is_the_weighted_sum_of_each_levels_mean_cross_entropy() -> None:
    targets = torch.tensor([[1, 0], [0, 2]])
    first = (nll(LOGITS[0][0], 1) + nll(LOGITS[0][1], 0)) / 2
    second = (nll(LOGITS[1][0], 0) + nll(LOGITS[1][1], 2)) / 2
    assert cross_entropy(LOGITS, targets, plain(WEIGHTS)).item() == pytest.approx(0.25 * first + 2.0 * second)


def test_an_unknown_target_is_ignored() -> None:
    targets = torch.tensor([[-1, 0], [-1, -1]])
    expected = 2.0 * nll(LOGITS[1][0], 0)
    assert cross_entropy(LOGITS, targets, plain(WEIGHTS)).item() == pytest.approx(expected)


def test_a_level_with_a_single_class_has_no_loss() -> None:
    agreed = [torch.randn(2, 1)]
    assert cross_entropy(agreed, torch.zeros(2, 1, dtype=torch.long), plain((1.0,), 0.1)).item() == 0


def test_label_smoothing_mixes_in_every_class() -> None:
    target = torch.tensor([[0]])
    logits = LOGITS[1][:1]
    smoothed = 0.9 * nll(logits[0], 0) + 0.1 * sum(nll(logits[0], c) for c in range(3)) / 3
    assert cross_entropy([logits], target, plain((1.0,), 0.1)).item() == pytest.approx(smoothed)


def test_top_k_counts_targets_among_the_best_but_never_an_unknown_one() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0]] * 4)
    targets = torch.tensor([0, 1, 2, -1])
    assert top_k_accuracy(logits, targets, 1).item() == 0.25
    assert top_k_accuracy(logits, targets, 2).item() == 0.5
    assert top_k_accuracy(logits, targets, 5).item() == 0.75


DEPTHS = (0.1, 0.2, 0.3, 1.0)


class Case:
    """A random taxonomy, its training labels and values, and some scores for other labels of it, one unknown."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.labels = tree_labels(seed, num=30)
        self.hierarchy = Hierarchy.of_labels(self.labels)
        self.values = {leaf: float(rng.integers(0, 50)) for leaf in self.hierarchy.ids[-1]}
        self.training = TrainingStatistics.of(self.hierarchy, self.labels, DEPTHS, 0.0, self.values)
        self.targets = self.hierarchy.encode(self.labels[rng.integers(0, 30, 6)])
        self.targets[0] = UNKNOWN
        self.scores = [torch.from_numpy(rng.normal(size=(6, num))).float() for num in self.hierarchy.num_classes]

    def loss(self, name: str) -> float:
        return float(LOSSES[name](self.scores, torch.from_numpy(self.targets), self.training))

    def num(self, level: int, of_class: int) -> int:
        return int((self.hierarchy.encode(self.labels)[:, level] == of_class).sum())


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_class_balanced_weights_by_the_effective_number(seed: int) -> None:
    case = Case(seed)
    expected = 0.0
    for level, depth in enumerate(DEPTHS):
        num_classes = case.hierarchy.num_classes[level]
        inverse = [(1 - BETA) / (1 - BETA ** case.num(level, c)) for c in range(num_classes)]
        weights = [each * num_classes / sum(inverse) for each in inverse]
        known = [(row, target) for row, target in enumerate(case.targets[:, level]) if target != UNKNOWN]
        expected += depth * sum(weights[t] * nll(case.scores[level][row], t) for row, t in known) / len(known)
    assert case.loss("class_balanced") == pytest.approx(expected, rel=1e-4)


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_logit_adjusted_adds_the_log_of_each_class_share(seed: int) -> None:
    case = Case(seed)
    expected = 0.0
    for level, depth in enumerate(DEPTHS):
        log_shares = [math.log(case.num(level, c) / 30) for c in range(case.hierarchy.num_classes[level])]
        adjusted = case.scores[level] + torch.tensor(log_shares)
        known = [(row, target) for row, target in enumerate(case.targets[:, level]) if target != UNKNOWN]
        expected += depth * sum(nll(adjusted[row], t) for row, t in known) / len(known)
    assert case.loss("logit_adjusted") == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_value_weighted_weights_an_image_by_the_value_of_its_leaf(seed: int) -> None:
    case = Case(seed)
    worth = [case.values[int(leaf)] for leaf in case.labels[:, -1]]
    if sum(worth) == 0:
        return
    mean = sum(worth) / 30
    floored = {leaf: max(value / mean, MIN_VALUE) for leaf, value in case.values.items()}
    average = sum(floored[int(leaf)] for leaf in case.labels[:, -1]) / 30
    expected = 0.0
    for level, depth in enumerate(DEPTHS):
        known = [row for row in range(6) if case.targets[row, level] != UNKNOWN]
        weights = {row: floored[case.hierarchy.ids[-1][case.targets[row, -1]]] / average for row in known}
        total = sum(weights[row] * nll(case.scores[level][row], case.targets[row, level]) for row in known)
        expected += depth * total / len(known)
    assert case.loss("value_weighted") == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_without_values_every_image_has_the_same_weight() -> None:
    case = Case(1)
    case.training = TrainingStatistics.of(case.hierarchy, case.labels, DEPTHS, 0.0, None)
    assert case.loss("value_weighted") == pytest.approx(case.loss("cross_entropy"))


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_hierarchical_discounts_each_step_of_the_path_by_its_height(seed: int) -> None:
    case = Case(seed)
    leaves = case.scores[-1].double().softmax(dim=1)
    paths = case.hierarchy.paths
    probabilities = [
        torch.stack([leaves[:, paths[:, level] == c].sum(dim=1) for c in range(num)], dim=1)
        for level, num in enumerate(case.hierarchy.num_classes)
    ]
    case.scores = [each.log().float() for each in probabilities]
    total = 0.0
    for row in range(1, 6):
        above = 1.0
        for level in range(4):
            own = float(probabilities[level][row, case.targets[row, level]])
            total -= math.exp(-ALPHA * (3 - level)) * math.log(own / above)
            above = own
    assert case.loss("hierarchical") == pytest.approx(total / 5, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_a_known_target_has_no_loss(name: str) -> None:
    case = Case(0)
    case.targets[:] = UNKNOWN
    assert case.loss(name) == 0


def test_an_unknown_loss_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown loss 'focal'; available: class_balanced, cross_entropy"):
        loss_named("focal")
