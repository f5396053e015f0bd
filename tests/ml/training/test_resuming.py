"""Checkpoints: a killed run goes on as if nothing had happened."""

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ml.encoders import Encoder
from ml.recipe_types import Optimisation
from ml.training.checkpoints import Checkpoint
from ml.training.pretraining import Watch, pretrain
from tests.ml.tiny import TINY_SIMCLR, striped

CPU = torch.device("cpu")
TRAIN_UNTIL_KILLED = """
import sys, time, torch
from pathlib import Path
from ml.training.pretraining import Watch, pretrain
from tests.ml.tiny import TINY_SIMCLR, striped

def on_epoch(metrics):
    if metrics["epoch"] == 2:
        print("second epoch done", flush=True)
        time.sleep(300)

torch.set_num_threads(1)
pretrain(TINY_SIMCLR, striped(64)[0], torch.device("cpu"), Watch(checkpoint=Path(sys.argv[1]), on_epoch=on_epoch))
"""


class InterruptedRunError(Exception):
    """Stands for whatever ends a run early."""


def weights(encoder: Encoder) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in encoder.state_dict().items()}


def interrupt_after(epoch: int) -> object:
    def on_epoch(metrics: dict[str, float]) -> None:
        if metrics["epoch"] == epoch:
            raise InterruptedRunError

    return on_epoch


@pytest.fixture
def one_thread():  # type: ignore[no-untyped-def]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_run_killed_outright_resumes_to_bit_equal_weights(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with subprocess.Popen(
        [sys.executable, "-c", TRAIN_UNTIL_KILLED, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "second epoch done\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert path.exists()

    epochs: list[float] = []
    watch = Watch(checkpoint=path, on_epoch=lambda metrics: epochs.append(metrics["epoch"]))
    resumed = pretrain(TINY_SIMCLR, striped(64)[0], CPU, watch)
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
        pretrain(TINY_SIMCLR, striped(32)[0], CPU, Watch(checkpoint=path, on_epoch=interrupt_after(1)))  # type: ignore[arg-type]
    recipe = replace(TINY_SIMCLR, seed=1) if change == "recipe" else TINY_SIMCLR
    pixels = striped(32, seed=1)[0] if change == "data" else striped(32)[0]
    assert pretrain(recipe, pixels, CPU, Watch(checkpoint=path)).cost.resumed_after_step == 0
    assert "belongs to another recipe or other data" in caplog.text


def test_an_unreadable_checkpoint_fails_the_run_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"PK\x03\x04 half a checkpoint")
    with pytest.raises(ValueError, match=r"checkpoint.pt is not a readable checkpoint; delete it"):
        pretrain(TINY_SIMCLR, striped(32)[0], CPU, Watch(checkpoint=path))


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
    assert TINY_SIMCLR.pretraining is not None
    long = replace(TINY_SIMCLR.pretraining, optimisation=Optimisation(epochs=40, batch_size=16, lr=1e-3))
    recipe, pixels = replace(TINY_SIMCLR, pretraining=long), striped(64)[0]
    watch = Watch(checkpoint=tmp_path / "checkpoint.pt", checkpoint_every_s=0.0)  # most of the time it is written
    rng = random.Random(0)
    num_killed, reached = 0, 0
    while num_killed < 10:
        child = os.fork()
        if child == 0:
            try:
                pretrain(recipe, pixels, CPU, watch)
            finally:
                os._exit(0)
        time.sleep(rng.uniform(0.05, 0.35))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the run ended before it was killed; give it more epochs"
        num_killed += 1
        if watch.checkpoint is not None and watch.checkpoint.exists():
            at = torch.load(watch.checkpoint, weights_only=True)["num_steps"]
            assert at >= reached
            reached = at
    assert reached > 0
    resumed, unbroken = pretrain(recipe, pixels, CPU, watch), pretrain(recipe, pixels, CPU)
    assert resumed.cost.resumed_after_step == reached
    expected = weights(unbroken.encoder)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(resumed.encoder).items())
