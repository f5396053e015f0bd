"""FixMatch: its loss against the paper's sum, and its effect on a training."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml.encoders.encoder import build
from ml.recipe_types import Augmentation, FixMatch
from ml.training.classification import Examples
from ml.training.finetuning import TrainingCallbacks, train_classifier
from ml.training.fixmatch import consistency_loss
from tests.ml.tiny import TINY_ENCODER, TINY_FINETUNE, striped

CPU = torch.device("cpu")


def oracle(weak: np.ndarray, strong: np.ndarray, threshold: float) -> float:
    """1/(mu B) sum_b 1(max(q_b) >= tau) H(argmax q_b, p(strong)), word by word."""
    total = 0.0
    for said, p in zip(weak, strong, strict=True):
        q = np.exp(said - said.max()) / np.exp(said - said.max()).sum()
        log_p = p - p.max() - np.log(np.exp(p - p.max()).sum())
        if q.max() >= threshold:
            total -= log_p[q.argmax()]
    return total / len(weak)


@given(st.integers(0, 10_000), st.floats(0.2, 0.99))
def test_the_loss_is_the_paper_s(seed: int, threshold: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    weak = tuple(3 * torch.randn(6, num, generator=generator) for num in (2, 5))
    strong = tuple(torch.randn(6, num, generator=generator) for num in (2, 5))
    loss, sure = consistency_loss(weak, strong, (0.5, 1.0), threshold)
    levels = zip(weak, strong, (0.5, 1.0), strict=True)
    expected = sum(w * oracle(q.double().numpy(), p.double().numpy(), threshold) for q, p, w in levels)
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert sure.item() == pytest.approx(float((weak[1].softmax(1).max(1).values >= threshold).float().mean()))


def test_what_nothing_is_sure_of_teaches_nothing() -> None:
    strong = torch.randn(4, 3, requires_grad=True)
    loss, sure = consistency_loss((torch.zeros(4, 3),), (strong,), (1.0,), 0.9)
    loss.backward()
    assert loss.item() == sure.item() == 0
    assert strong.grad is not None
    assert not strong.grad.any()


RECIPE = replace(TINY_FINETUNE, optimization=replace(TINY_FINETUNE.optimization, epochs=6))


def test_unlabeled_images_are_used_for_training() -> None:
    images, labels = striped(16)
    unlabeled, _ = striped(64, seed=1)
    recipe = replace(RECIPE, semi_supervised=FixMatch(threshold=0.2, strong=Augmentation(crop_scale=(0.6, 1.0))))
    reports: list[Mapping[str, float]] = []
    examples = Examples(inputs=images, labels=labels, unlabeled=unlabeled)
    made = train_classifier(recipe, build(TINY_ENCODER), examples, CPU, TrainingCallbacks(on_epoch=reports.append))
    assert reports[-1]["confident_share"] > 0
    assert all(np.isfinite(epoch["unsupervised_loss"]) for epoch in reports)
    plain = train_classifier(RECIPE, build(TINY_ENCODER), Examples(inputs=images, labels=labels), CPU)
    weights, others = (each.classifier.heads.state_dict()["linear.3.weight"] for each in (made, plain))
    assert not torch.equal(weights, others)


def test_a_killed_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    images, labels = striped(16)
    examples = Examples(inputs=images, labels=labels, unlabeled=striped(40, seed=1)[0])
    recipe = replace(RECIPE, semi_supervised=FixMatch(threshold=0.2))
    whole = train_classifier(recipe, build(TINY_ENCODER), examples, CPU)

    class Killed(BaseException):
        pass

    def kill(figures: Mapping[str, float]) -> None:
        if figures["epoch"] == 3:
            raise Killed

    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        train_classifier(
            recipe, build(TINY_ENCODER), examples, CPU, TrainingCallbacks(checkpoint=checkpoint, on_epoch=kill)
        )
    again = train_classifier(recipe, build(TINY_ENCODER), examples, CPU, TrainingCallbacks(checkpoint=checkpoint))
    for name, weight in whole.classifier.state_dict().items():
        assert torch.equal(weight, again.classifier.state_dict()[name]), name


def test_a_recipe_without_unlabeled_images_is_refused() -> None:
    images, labels = striped(16)
    recipe = replace(RECIPE, semi_supervised=FixMatch())
    with pytest.raises(ValueError, match="learns by semi_supervised, but its examples have no data for it"):
        train_classifier(recipe, build(TINY_ENCODER), Examples(inputs=images, labels=labels), CPU)
    with pytest.raises(ValueError, match="FixMatch needs unlabeled images and there are none"):
        examples = Examples(inputs=images, labels=labels, unlabeled=images[:0])
        train_classifier(recipe, build(TINY_ENCODER), examples, CPU)
