"""Trainings on disks that fill up, and on images too few to learn from."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ml.encoders.encoder import Encoder, build
from ml.methods import METHODS, method_options
from ml.recipe_types import EncoderRecipe
from ml.training.pretraining import PretrainingCallbacks, pretrain
from tests.faults.small_disk import mounted
from tests.ml.tiny import TINY_ENCODER, TINY_SIMCLR, striped

CPU = torch.device("cpu")
PIXELS = striped(32)[0]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 60 MB."""
    with mounted(tmp_path / "disk", "60m") as place:
        yield place


def fill(disk: Path) -> Path:
    """A file that leaves no room on the disk."""
    free = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 64 * 1024))
    return filler


def test_a_disk_that_fills_up_leaves_the_old_checkpoint_and_room_lets_the_run_end(disk: Path) -> None:
    unbroken = pretrain(TINY_SIMCLR, PIXELS, CPU)
    saved: dict[str, bytes] = {}
    checkpoint = disk / "checkpoint.pt"

    def fill_after_the_first(figures: Mapping[str, float]) -> None:
        if figures["epoch"] == 1:
            saved["checkpoint"] = checkpoint.read_bytes()
            fill(disk)

    callbacks = PretrainingCallbacks(checkpoint=checkpoint, checkpoint_every_s=0.0, on_epoch=fill_after_the_first)
    with pytest.raises(OSError, match=r"No space left on device; make room for [\d,]+ bytes: .*checkpoint.pt.part"):
        pretrain(TINY_SIMCLR, PIXELS, CPU, callbacks)
    assert checkpoint.read_bytes() == saved["checkpoint"]
    assert {path.name for path in disk.iterdir()} == {"checkpoint.pt", "filler"}

    (disk / "filler").unlink()
    resumed = pretrain(TINY_SIMCLR, PIXELS, CPU, PretrainingCallbacks(checkpoint=checkpoint))
    assert resumed.cost.resumed_after_step > 0
    for name, tensor in unbroken.encoder.state_dict().items():
        assert torch.equal(resumed.encoder.state_dict()[name], tensor), name


def test_an_encoder_for_which_there_is_no_room_leaves_the_one_that_stands(disk: Path) -> None:
    first, second = build(TINY_ENCODER).eval(), build(replace(TINY_ENCODER, seed=1)).eval()
    first.save(disk / "encoder", {})
    filler = fill(disk)
    with pytest.raises(OSError, match="No space left on device; make room for"):
        second.save(disk / "encoder", {})
    stands = Encoder.load(disk / "encoder")
    assert all(torch.equal(stands.state_dict()[name], tensor) for name, tensor in first.state_dict().items())
    filler.unlink()
    second.save(disk / "encoder", {})
    assert {path.name for path in (disk / "encoder").iterdir()} == {"weights.safetensors", "encoder.json"}


def recipe_of(method: str) -> EncoderRecipe:
    settings = TINY_SIMCLR.pretraining
    assert settings is not None
    small = {"hidden_dim": 32, "projection_dim": 16, "num_prototypes": 24, "queue_length": 0}
    options = {name: value for name, value in small.items() if name in method_options(METHODS[method])}
    return replace(TINY_SIMCLR, name=method, pretraining=replace(settings, method=method, options=options))


@pytest.mark.parametrize("num", [0, 1])
@pytest.mark.parametrize("method", METHODS)
def test_too_few_images_are_refused_before_anything_is_trained(method: str, num: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"encoder '{method}' cannot be pretrained on {num} images, it takes at"):
        pretrain(recipe_of(method), PIXELS[:num], CPU, PretrainingCallbacks(checkpoint=tmp_path / "checkpoint.pt"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", METHODS)
def test_two_images_are_enough(method: str) -> None:
    made = pretrain(recipe_of(method), PIXELS[:2], CPU)
    assert made.cost.num_examples_seen == 6
