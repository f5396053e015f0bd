"""The objective with real trainings: probes, timed steps, and trainings that their pace stops and that continue."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.classifiers.predicting import predict
from ml.encoders.encoder import build, embed
from ml.recipe_types import ClassifierRecipe
from ml.search.metrics import Score
from ml.search.objective import Finetuning, SearchData
from ml.search.pace import OutOfBudget, Pace
from ml.search.space import Space
from ml.training.classification import Examples
from ml.training.epoch_timing import predict_epoch_s
from ml.training.finetuning import train_classifier
from tests.ml.tiny import TINY_ENCODER, TINY_FINETUNE, striped

NUM, NUM_TRAINING = 120, 80
SPACE = Space(encoders=("tiny",), epochs=(6,), lr=(3e-3, 3e-3), augmentation=(0.0,), label_smoothing=(0.0,))
[CANDIDATE] = SPACE.spread(1, 0)
CPU = torch.device("cpu")


@dataclass
class Ticking:
    """A clock that advances by `tick_s` whenever it is read."""

    tick_s: float
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.tick_s
        return self.now


@pytest.fixture(scope="module")
def objective(module_folder: Path) -> Finetuning:
    pixels, labels = striped(NUM)
    encoder = build(TINY_ENCODER)
    encoder.save(module_folder / "tiny", {})
    np.save(module_folder / "pixels.npy", pixels)
    np.save(module_folder / "embeddings.npy", embed(encoder, pixels, CPU))
    data = SearchData(
        encoder=module_folder / "tiny",
        embeddings=module_folder / "embeddings.npy",
        pixels=module_folder / "pixels.npy",
    )
    return Finetuning(
        base=TINY_FINETUNE,
        library={"tiny": data},
        labels=labels,
        training=np.arange(NUM_TRAINING),
        validation=np.arange(NUM_TRAINING, NUM),
        score=Score("top1"),
    )


def test_a_training_that_fits_has_the_metric_of_its_last_epoch(objective: Finetuning, tmp_path: Path) -> None:
    pace = Pace(6, 1e6)
    metric = objective(CANDIDATE, 2, 6, tmp_path / "a.pt", pace)
    assert 0.0 <= metric <= 1.0
    assert (pace.is_stopped, pace.best) == (False, None)
    assert pace.epoch_s is not None
    assert pace.epoch_s > 0


def test_a_training_beyond_the_budget_is_stopped_with_an_evaluated_epoch(objective: Finetuning, tmp_path: Path) -> None:
    clock = Ticking(1.0)
    pace = Pace(6, 25.0, clock)  # an epoch of five steps reads the clock six times or more
    assert np.isnan(objective(CANDIDATE, 2, 6, tmp_path / "a.pt", pace))
    assert pace.is_stopped
    assert pace.best is not None
    metric, epoch = pace.best
    assert 0.0 <= metric <= 1.0
    assert 1 <= epoch < 6


def test_a_training_ended_within_its_first_epoch_keeps_its_checkpoint_and_continues(
    objective: Finetuning, tmp_path: Path
) -> None:
    optimization = replace(TINY_FINETUNE.optimization, batch_size=4)
    small = replace(objective, base=replace(TINY_FINETUNE, optimization=optimization))
    checkpoint = tmp_path / "a.pt"
    with pytest.raises(OutOfBudget, match="epoch 1 would end after"):
        small(CANDIDATE, 2, 6, checkpoint, Pace(6, 12.0, Ticking(1.0)))
    assert checkpoint.exists()
    pace = Pace(6, 1e6)
    assert 0.0 <= small(CANDIDATE, 2, 6, checkpoint, pace) <= 1.0
    assert not pace.is_stopped
    assert not checkpoint.exists()


def test_timed_steps_predict_a_positive_time_in_proportion_to_the_images(
    objective: Finetuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert objective.epoch_seconds(CANDIDATE) > 0
    clock = Ticking(2.0)
    monkeypatch.setattr("ml.training.epoch_timing.time.perf_counter", clock)
    pixels, labels = striped(NUM)
    examples = Examples(inputs=pixels, labels=labels)
    recipe: ClassifierRecipe = CANDIDATE.recipe(TINY_FINETUNE, "timed", 6)  # batches of 16
    once = predict_epoch_s(recipe, build(TINY_ENCODER), examples, 160, CPU)
    assert predict_epoch_s(recipe, build(TINY_ENCODER), examples, 1600, CPU) == pytest.approx(10 * once)


def test_the_recipe_of_a_probe_trains_on_the_embeddings(objective: Finetuning, tmp_path: Path) -> None:
    probed = objective(CANDIDATE, 0, 0, tmp_path / "a.pt", Pace(0, 1e6))
    recipe = CANDIDATE.probe_recipe(objective.base, "search-tiny")
    data = objective.library["tiny"]
    embeddings = np.load(data.embeddings)
    examples = Examples(inputs=embeddings[objective.training], labels=objective.labels[objective.training])
    trained = train_classifier(recipe, build(TINY_ENCODER), examples, CPU)
    best = predict(trained.classifier, embeddings[objective.validation], CPU)[-1].ids
    trained_metric = objective.score(objective.labels[objective.validation, -1], best)
    assert trained_metric == pytest.approx(probed, abs=0.15)
