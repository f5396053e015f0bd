"""Pretraining: an encoder trained on pictures without labels by any method of `METHODS`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ml.encoders import Encoder, build
from ml.methods import build_method
from ml.methods.method import Method
from ml.pixels import Pixels, fingerprint_arrays
from ml.recipes import Augmentation, EncoderRecipe, fingerprint
from ml.training.checkpoints import Checkpoint
from ml.training.loop import Cost, OnEpoch, Step, train
from ml.views import random_view

FREE = Cost(device_s=0.0, num_examples_seen=0, resumed_after_epoch=0)


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A finished encoder and what its pretraining took."""

    encoder: Encoder
    cost: Cost


class PretrainingTask:
    """A method and the pictures that it learns from."""

    def __init__(self, method: Method, pixels: Pixels, augmentation: Augmentation, device: torch.device) -> None:
        self.num_examples = len(pixels)
        self._method, self._pixels, self._augmentation, self._device = method, pixels, augmentation, device

    @property
    def module(self) -> Method:
        return self._method

    def step(self, indices: Tensor) -> Step:
        batch = torch.from_numpy(self._pixels[indices.numpy()]).to(self._device)
        views = [random_view(batch, self._augmentation) for _ in range(self._method.num_views)]
        return Step(loss=self._method.loss(views), metrics={})

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        return {}


def pretrain(
    recipe: EncoderRecipe,
    pixels: Pixels,
    device: torch.device,
    checkpoint: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> Pretrained:
    """The encoder of a recipe, pretrained on pixels (n, 3, h, w); without pretraining, as it starts.

    A killed run goes on from `checkpoint` when called again with the same recipe and the same pixels.

    Raises:
        ValueError: an impossible backbone, resolution or method, or fewer than two pictures.
        FloatingPointError: the training diverged.
    """
    encoder = build(recipe)
    if recipe.pretraining is None:
        return Pretrained(encoder=encoder, cost=FREE)
    settings = recipe.pretraining
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        method = build_method(encoder, settings)
    task = PretrainingTask(method, pixels, settings.augmentation, device)
    saved = None
    if checkpoint is not None:
        saved = Checkpoint(path=checkpoint, fingerprint=f"{fingerprint(recipe)}-{fingerprint_arrays(pixels)}")
    cost = train(task, settings.optimisation, device, recipe.seed, saved, on_epoch)
    encoder.origin = settings.method
    return Pretrained(encoder=encoder.eval(), cost=cost)
