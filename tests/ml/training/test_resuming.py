"""Checkpoints: a killed run goes on as if nothing had happened."""

import os
import pickle
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ml.encoders.encoder import Encoder
from ml.training.checkpoints import Checkpoint
from ml.training.pretraining import PretrainingCallbacks, pretrain
from tests.fork_server import start
from tests.ml.tiny import TINY_SIMCLR, striped
from tests.ml.training.killed_training import SECOND_EPOCH_DONE, long_recipe
from tests.patience import until

CPU = torch.device("cpu")
KILLED = "tests.ml.training.killed_training"


class InterruptedRunError(Exception):
    """Stands for whatever ends a run early."""


def weights(encoder: Encoder) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in encoder.state_dict().items()}


def interrupt_after(epoch: int) -> object:
    def on_epoch(metrics: dict[str, float]) -> None:
        if metrics["epoch"] == epoch:
            raise InterruptedRunError

    return on_epoch


def version(path: Path) -> tuple[int, int] | None:
    """Another one whenever a file is replaced; None where it does not exist."""
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


@pytest.fixture
def one_thread():  # type: ignore[no-untyped-def]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_run_killed_outright_resumes_to_bit_equal_weights(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    child = start(f"{KILLED}:pretrain_until_second_epoch", [str(path)], tmp_path / "output")
    until(lambda: SECOND_EPOCH_DONE in child.output, "the second epoch", poll_s=0.001)
    child.kill(signal.SIGKILL)
    (tmp_path / "output").unlink()
    assert path.exists()

    epochs: list[float] = []
    callbacks = PretrainingCallbacks(checkpoint=path, on_epoch=lambda metrics: epochs.append(metrics["epoch"]))
    resumed = pretrain(TINY_SIMCLR, striped(64)[0], CPU, callbacks)
    unbroken = pretrain(TINY_SIMCLR, striped(64)[0], CPU)
    assert resumed.cost.resumed_after_step >= 1
    assert epochs == list(range(resumed.cost.resumed_after_step // 4 + 1, 4))
    assert resumed.cost.num_examples_seen == unbroken.cost.num_examples_seen == 3 * 64
    expected = weights(unbroken.encoder)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(resumed.encoder).items())
    assert list(tmp_path.iterdir()) == []  # a finished run needs no checkpoint


@pytest.mark.parametrize("change", ["recipe", "data"])
def test_a_checkpoint_of_another_recipe_or_other_data_is_not_resumed(
    tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptedRunError):
        pretrain(TINY_SIMCLR, striped(32)[0], CPU, PretrainingCallbacks(checkpoint=path, on_epoch=interrupt_after(1)))  # type: ignore[arg-type]
    recipe = replace(TINY_SIMCLR, seed=1) if change == "recipe" else TINY_SIMCLR
    pixels = striped(32, seed=1)[0] if change == "data" else striped(32)[0]
    assert pretrain(recipe, pixels, CPU, PretrainingCallbacks(checkpoint=path)).cost.resumed_after_step == 0
    assert "belongs to another recipe or other data" in caplog.text


def test_an_unreadable_checkpoint_fails_the_run_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"PK\x03\x04 half a checkpoint")
    with pytest.raises(ValueError, match=r"checkpoint.pt is not a readable checkpoint; delete it"):
        pretrain(TINY_SIMCLR, striped(32)[0], CPU, PretrainingCallbacks(checkpoint=path))


def test_a_poisoned_pickle_is_not_executed(tmp_path: Path) -> None:
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "executed"

    class Poison:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(trace),)

    path.write_bytes(pickle.dumps(Poison(), protocol=2))
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        Checkpoint(path=path, fingerprint="x").read()
    assert not trace.exists()


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(path=tmp_path / "checkpoint.pt", fingerprint="x")
    checkpoint.write({"epoch": 1})

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.write({"epoch": 2})
    assert checkpoint.read() == {"epoch": 1, "notes": {}, "fingerprint": "x"}


def test_checkpoints_keep_a_distance_in_time(tmp_path: Path) -> None:
    checkpoint = Checkpoint(path=tmp_path / "checkpoint.pt", fingerprint="x", min_interval_s=60)
    assert checkpoint.is_due()
    checkpoint.write({"epoch": 1})
    assert not checkpoint.is_due()


@pytest.mark.usefixtures("one_thread")
def test_after_ten_kills_at_random_moments_the_weights_are_those_of_an_unbroken_run(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    rng = random.Random(0)
    reached = 0
    for number in range(10):
        child = start(f"{KILLED}:pretrain_long", [str(path)], tmp_path / f"output-{number}")
        for _ in range(rng.randint(1, 3)):  # however slow the machine is, it gets further each time
            before = version(path)
            until(lambda before=before: version(path) != before, "a checkpoint", poll_s=0.001)  # type: ignore[misc]
        time.sleep(rng.uniform(0.0, 0.02))
        child.kill(signal.SIGKILL)  # fails if the run has ended: then it needs more epochs
        at = torch.load(path, weights_only=True)["num_steps"]
        assert at > reached
        reached = at
    recipe, pixels = long_recipe(), striped(64)[0]
    callbacks = PretrainingCallbacks(checkpoint=path, checkpoint_every_s=0.0)
    resumed, unbroken = pretrain(recipe, pixels, CPU, callbacks), pretrain(recipe, pixels, CPU)
    assert resumed.cost.resumed_after_step == reached
    expected = weights(unbroken.encoder)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(resumed.encoder).items())
