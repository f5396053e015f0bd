"""Losses against plain sums."""

import math

import pytest
import torch

from ml.classifiers.losses import depth_weighted_loss, top_k_accuracy

LOGITS = [torch.tensor([[0.0, 0.0], [2.0, -1.0]]), torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 3.0]])]
WEIGHTS = (0.25, 2.0)


def cross_entropy(logits: torch.Tensor, target: int) -> float:
    return -math.log(math.exp(logits[target]) / sum(math.exp(logit) for logit in logits))


def test_the_loss_is_each_levels_mean_cross_entropy_times_its_weight() -> None:
    targets = torch.tensor([[1, 0], [0, 2]])
    first = (cross_entropy(LOGITS[0][0], 1) + cross_entropy(LOGITS[0][1], 0)) / 2
    second = (cross_entropy(LOGITS[1][0], 0) + cross_entropy(LOGITS[1][1], 2)) / 2
    assert depth_weighted_loss(LOGITS, targets, WEIGHTS).item() == pytest.approx(0.25 * first + 2.0 * second)


def test_an_unknown_target_counts_for_nothing() -> None:
    targets = torch.tensor([[-1, 0], [-1, -1]])
    expected = 2.0 * cross_entropy(LOGITS[1][0], 0)
    assert depth_weighted_loss(LOGITS, targets, WEIGHTS).item() == pytest.approx(expected)


def test_a_level_on_which_all_agree_costs_nothing() -> None:
    agreed = [torch.randn(2, 1)]
    assert depth_weighted_loss(agreed, torch.zeros(2, 1, dtype=torch.long), (1.0,), 0.1).item() == 0


def test_label_smoothing_asks_for_a_little_of_every_class() -> None:
    target = torch.tensor([[0]])
    logits = LOGITS[1][:1]
    smoothed = 0.9 * cross_entropy(logits[0], 0) + 0.1 * sum(cross_entropy(logits[0], c) for c in range(3)) / 3
    assert depth_weighted_loss([logits], target, (1.0,), 0.1).item() == pytest.approx(smoothed)


def test_top_k_counts_targets_among_the_best_and_never_an_unknown_one() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0]] * 4)
    targets = torch.tensor([0, 1, 2, -1])
    assert top_k_accuracy(logits, targets, 1).item() == 0.25
    assert top_k_accuracy(logits, targets, 2).item() == 0.5
    assert top_k_accuracy(logits, targets, 5).item() == 0.75
