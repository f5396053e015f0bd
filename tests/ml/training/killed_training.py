"""Pretrainings that a test kills, for the fork server: each call is a process of its own."""

import time
from dataclasses import replace
from pathlib import Path

import torch

from ml.recipe_types import EncoderRecipe, Optimization
from ml.training.pretraining import PretrainingCallbacks, pretrain
from tests.ml.tiny import TINY_SIMCLR, striped

CPU = torch.device("cpu")
SECOND_EPOCH_DONE = "second epoch done"


def long_recipe() -> EncoderRecipe:
    """Twenty epochs of four steps, so that ten kills come before the end."""
    assert TINY_SIMCLR.pretraining is not None
    long = replace(TINY_SIMCLR.pretraining, optimization=Optimization(epochs=20, batch_size=16, lr=1e-3))
    return replace(TINY_SIMCLR, pretraining=long)


def pretrain_long(checkpoint: str) -> None:
    """Pretrains the long recipe, with a checkpoint after every step."""
    torch.set_num_threads(1)
    callbacks = PretrainingCallbacks(checkpoint=Path(checkpoint), checkpoint_every_s=0.0)
    pretrain(long_recipe(), striped(64)[0], CPU, callbacks)


def pretrain_until_second_epoch(checkpoint: str) -> None:
    """Pretrains two epochs, says so, and waits to be killed."""

    def on_epoch(metrics: dict[str, float]) -> None:
        if metrics["epoch"] == 2:
            print(SECOND_EPOCH_DONE, flush=True)  # noqa: T201 read by the test
            time.sleep(300)

    torch.set_num_threads(1)
    pretrain(TINY_SIMCLR, striped(64)[0], CPU, PretrainingCallbacks(checkpoint=Path(checkpoint), on_epoch=on_epoch))
