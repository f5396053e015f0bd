"""Online probe: the best encoders of a run are kept, and the best one is returned at the end."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ml.encoders.encoder import Encoder, build
from ml.recipe_types import Optimization
from ml.training.online_probe import OnlineProbe
from ml.training.pretraining import PretrainingCallbacks, pretrain
from tests.ml.tiny import TINY_ENCODER, TINY_SIMCLR, striped

CPU = torch.device("cpu")


def weights(encoder: Encoder) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in encoder.backbone.state_dict().items()}


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=10), keep=st.integers(1, 4))
@settings(deadline=None, max_examples=15)
def test_the_best_epochs_are_kept_and_no_others(
    scores: list[float], keep: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("best")
    given_scores = iter(scores)
    probe = OnlineProbe(score=lambda _: next(given_scores), folder=folder, keep=keep)
    probe.resume("run", num_steps=0)
    encoder = build(TINY_ENCODER)
    passed = {}
    for epoch in range(1, len(scores) + 1):
        with torch.no_grad():
            next(encoder.backbone.parameters()).add_(1.0)
        passed[epoch] = weights(encoder)
        assert probe.evaluate(encoder, epoch, len(scores)) == scores[epoch - 1]
    kept = sorted(range(1, len(scores) + 1), key=lambda epoch: (-scores[epoch - 1], -epoch))[:keep]
    assert {path.name for path in folder.glob("epoch-*")} == {f"epoch-{epoch:05d}.safetensors" for epoch in kept}
    assert probe.load_best(encoder) == kept[0]
    assert all(torch.equal(tensor, passed[kept[0]][name]) for name, tensor in weights(encoder).items())


def test_a_pretraining_ends_with_the_encoder_that_its_probe_liked_best(tmp_path: Path) -> None:
    assert TINY_SIMCLR.pretraining is not None
    recipe = replace(
        TINY_SIMCLR,
        pretraining=replace(TINY_SIMCLR.pretraining, optimization=Optimization(epochs=4, batch_size=16, lr=1e-3)),
    )
    seen: list[dict[str, Tensor]] = []
    given_scores = iter([0.1, 0.9, 0.3, 0.2])

    def score(encoder: Encoder) -> float:
        assert not encoder.training
        seen.append(weights(encoder))
        return next(given_scores)

    reports: list[float] = []
    callbacks = PretrainingCallbacks(
        probe=OnlineProbe(score=score, folder=tmp_path), on_epoch=lambda figures: reports.append(figures["probe"])
    )
    made = pretrain(recipe, striped(32)[0], CPU, callbacks)
    assert reports == [0.1, 0.9, 0.3, 0.2]
    assert made.scores == {1: 0.1, 2: 0.9, 3: 0.3, 4: 0.2}
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in weights(made.encoder).items())


def test_a_resumed_run_uses_the_kept_encoders_and_another_run_does_not(tmp_path: Path) -> None:
    probe = OnlineProbe(score=lambda _: 0.5, folder=tmp_path)
    probe.resume("run", num_steps=0)
    probe.evaluate(build(TINY_ENCODER), 1, 10)
    again = OnlineProbe(score=lambda _: 0.4, folder=tmp_path)
    again.resume("run", num_steps=7)
    assert again.scores == {1: 0.5}
    other = OnlineProbe(score=lambda _: 0.4, folder=tmp_path)
    other.resume("another run", num_steps=7)
    assert other.scores == {}
    assert list(tmp_path.iterdir()) == []


def test_a_long_run_is_looked_at_ten_times_and_at_its_end(tmp_path: Path) -> None:
    probe = OnlineProbe(score=lambda _: 0.5, folder=tmp_path)
    probe.resume("run", num_steps=0)
    encoder = build(TINY_ENCODER)
    looked = [epoch for epoch in range(1, 106) if probe.evaluate(encoder, epoch, 105) is not None]
    assert looked == [*range(10, 101, 10), 105]
