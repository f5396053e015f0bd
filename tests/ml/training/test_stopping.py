"""Early stopping: when a run ends, and with which weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ml.classifiers.predicting import predict
from ml.encoders.encoder import build
from ml.recipe_types import Optimization
from ml.training.classification import Examples
from ml.training.finetuning import TrainingCallbacks, train_classifier
from ml.training.stopping import EarlyStopping
from tests.ml.tiny import TINY_ENCODER, TINY_FINETUNE, striped

CPU = torch.device("cpu")
PIXELS, LABELS = striped(64)
EXAMPLES = Examples(inputs=PIXELS, labels=LABELS)
UNSEEN = Examples(**dict(zip(("inputs", "labels"), striped(40, seed=1), strict=True)))
RECIPE = replace(TINY_FINETUNE, patience=2, optimization=Optimization(epochs=20, batch_size=16, lr=3e-3))


def test_the_best_weights_are_kept_and_a_run_ends_after_enough_worse_ones() -> None:
    stopping, module = EarlyStopping(patience=2), nn.Linear(1, 1)
    for weight, score in enumerate((0.5, 0.7, 0.7, None, 0.6)):
        assert not stopping.should_stop
        nn.init.constant_(module.weight, weight)
        stopping.update({} if score is None else {"validation_accuracy": score}, module)
    assert stopping.should_stop
    stopping.restore_best(module)
    assert module.weight.item() == 1  # the first of the equals


def test_a_classifier_has_the_weights_of_its_best_evaluation() -> None:
    reports: list[dict[str, float]] = []
    callbacks = TrainingCallbacks(validation=UNSEEN, on_epoch=lambda figures: reports.append(dict(figures)))
    classifier = train_classifier(RECIPE, build(TINY_ENCODER), EXAMPLES, CPU, callbacks).classifier
    leaves = predict(classifier, UNSEEN.inputs, CPU)[3].ids[:, 0]
    accuracies = [each["validation_accuracy"] for each in reports if "validation_accuracy" in each]
    assert (leaves == UNSEEN.labels[:, 3]).mean() == pytest.approx(max(accuracies))
    assert len(accuracies) == 10 or accuracies.index(max(accuracies)) == len(accuracies) - 1 - 2


def test_a_hopeless_run_ends_early() -> None:
    """Labels that have nothing to do with the images: validation cannot get better for long."""
    noise = np.random.default_rng(0).permutation(LABELS)
    epochs: list[float] = []
    callbacks = TrainingCallbacks(validation=UNSEEN, on_epoch=lambda figures: epochs.append(figures["epoch"]))
    recipe = replace(RECIPE, optimization=replace(RECIPE.optimization, epochs=40), patience=2)
    train_classifier(recipe, build(TINY_ENCODER), replace(EXAMPLES, labels=noise), CPU, callbacks)
    assert len(epochs) < 40


def test_an_interrupted_run_ends_where_the_unbroken_one_ends(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"

    def interrupt(figures: dict[str, float]) -> None:
        if figures["epoch"] == 7:
            raise KeyboardInterrupt

    callbacks = TrainingCallbacks(validation=UNSEEN, checkpoint=path, on_epoch=interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_classifier(RECIPE, build(TINY_ENCODER), EXAMPLES, CPU, callbacks)
    resumed = train_classifier(RECIPE, build(TINY_ENCODER), EXAMPLES, CPU, replace(callbacks, on_epoch=None))
    unbroken = train_classifier(RECIPE, build(TINY_ENCODER), EXAMPLES, CPU, TrainingCallbacks(validation=UNSEEN))
    assert resumed.cost.resumed_after_step > 0
    theirs = unbroken.classifier.state_dict()
    assert all(torch.equal(each, theirs[name]) for name, each in resumed.classifier.state_dict().items())


def test_patience_without_a_validation_set_is_refused() -> None:
    with pytest.raises(ValueError, match="stops early, but there are no labeled validation images"):
        train_classifier(RECIPE, build(TINY_ENCODER), EXAMPLES, CPU)
    with pytest.raises(ValueError, match="has the patience 0; give at least 1, or None"):
        replace(RECIPE, patience=0)
