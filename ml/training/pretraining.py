"""Pretraining: an encoder trained on pictures without labels by any method of `METHODS`."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.encoders import Encoder, build
from ml.memory import keep_freed_memory
from ml.methods import build_method
from ml.methods.method import Method
from ml.pixels import PixelRows, fingerprint_arrays
from ml.recipe_types import PLAIN, Augmentation, EncoderRecipe, Execution, Pretraining, fingerprint
from ml.training.accumulation import backward
from ml.training.autotune import MAX_TUNED_ON, Verdict, autotune
from ml.training.best import OnlineProbe
from ml.training.checkpoints import Checkpoint
from ml.training.execution import executing
from ml.training.loop import Cost, Hooks, OnEpoch, train
from ml.training.ranks import Ranks, synchronise_norms
from ml.views import ViewParameters, draw, render_all

logger = logging.getLogger(__name__)

FREE = Cost(device_s=0.0, num_examples_seen=0, resumed_after_step=0)


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A finished encoder, what its pretraining took, how it was computed, and its probe's scores by epoch."""

    encoder: Encoder
    cost: Cost
    verdict: Verdict | None = None
    scores: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What accompanies a pretraining: a checkpoint file and its pace, a listener to every epoch, a probe on the way."""

    checkpoint: Path | None = None
    checkpoint_every_s: float = 30.0
    on_epoch: OnEpoch | None = None
    probe: OnlineProbe | None = None


UNWATCHED = Watch()


class PretrainingTask:
    """A method and the pictures that it learns from."""

    def __init__(
        self,
        method: Method,
        pixels: PixelRows,
        settings: Pretraining,
        device: torch.device,
        execution: Execution = PLAIN,
        probe: OnlineProbe | None = None,
    ) -> None:
        self.num_examples = len(pixels)
        self._method, self._pixels, self._settings = method, pixels, settings
        self._device, self._execution, self._probe = device, execution, probe
        self._kinds = view_kinds(settings, method)
        self._ranks = Ranks.here()

    @property
    def module(self) -> Method:
        return self._method

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        shared = indices[: len(indices) - len(indices) % self._ranks.num]
        own = self._ranks.own(len(shared))
        drawn = [each.rows(own) for each in self._draw(len(shared))]  # every rank draws for all
        batch = torch.from_numpy(self._pixels[shared[own].numpy()])

        def views(part: slice) -> list[Tensor]:
            rows = batch[part].to(self._device)
            kinds = zip(drawn, self._kinds, strict=True)
            return render_all(rows, [(parameters.rows(part), resolution) for parameters, (_, resolution) in kinds])

        size = self._settings.micro_batch_size or len(batch)
        parts = [slice(start, start + size) for start in range(0, len(batch), size)]
        return {"loss": backward(self._method, views, parts, self._execution, self._ranks)}

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        return {"pixels": torch.from_numpy(self._pixels[indices.numpy()])}

    def after_update(self, progress: float) -> None:
        self._method.progress.fill_(progress)
        self._method.after_update()

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        if self._probe is None or not self._ranks.is_first:
            return {}
        score = self._probe.look(self._method.encoder, epoch, num_epochs)
        return {} if score is None else {"probe": score}

    def _draw(self, batch: int) -> list[ViewParameters]:
        height, width = self._pixels.shape[2:]
        return [draw(augmentation, batch, height, width) for augmentation, _ in self._kinds]


def view_kinds(settings: Pretraining, method: Method) -> list[tuple[Augmentation, int]]:
    """How each view is drawn, and its resolution: the global ones, then the local ones."""
    second = settings.second_augmentation or settings.augmentation
    resolution = method.encoder.resolution
    kinds = [(settings.augmentation if view == 0 else second, resolution) for view in range(method.num_views)]
    local = settings.local_views
    if local is not None:
        smaller = local.resolution
        if not method.encoder.takes(smaller):
            logger.warning("%s takes no %d px: local views cost as much as global ones", method.encoder.name, smaller)
            smaller = resolution
        kinds += [(local.augmentation, smaller)] * local.num
    return kinds


def pretrain(
    recipe: EncoderRecipe,
    pixels: PixelRows,
    device: torch.device,
    watch: Watch = UNWATCHED,
    parent: Encoder | None = None,
) -> Pretrained:
    """The encoder of a recipe, pretrained on pixels (n, 3, h, w); without pretraining, as it starts.

    A killed run goes on from `watch.checkpoint` when called again with the same recipe and the same pixels. With a
    probe the encoder has the weights of the epoch that it liked best. `parent` is the encoder that the recipe names.

    Raises:
        ValueError: an impossible backbone, resolution or method, or fewer than two pictures.
        FloatingPointError: the training diverged.
    """
    encoder = build(recipe, parent)
    if recipe.pretraining is None:
        return Pretrained(encoder=encoder, cost=FREE)
    if len(pixels) < 2:  # nothing to tell apart
        raise ValueError(
            f"encoder {recipe.name!r} cannot be pretrained on {len(pixels)} pictures, it takes at least 2; "
            "wait until pictures of the training split are downloaded"
        )
    settings = recipe.pretraining
    keep_freed_memory()  # before anything is timed
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        method = build_method(encoder, settings)
    ranks = Ranks.here()
    synchronise_norms(method, ranks)
    brought = [] if parent is None and recipe.weights_file is None else _weights(encoder)  # nothing in the recipe tells
    made_from = fingerprint_arrays(pixels, *brought)
    identity = f"{fingerprint(recipe)}-{made_from}"
    saved = None
    if watch.checkpoint is not None:
        every_s = watch.checkpoint_every_s
        saved = Checkpoint(path=watch.checkpoint, fingerprint=identity, min_interval_s=every_s, writes=ranks.is_first)
    state = saved.read() if saved is not None else None
    verdict = _verdict(method, pixels, settings, device, state)
    if saved is not None:
        saved.notes = {"execution": asdict(verdict.execution), "step_s": dict(verdict.step_s)}
    probe = watch.probe
    if probe is not None:
        probe.begin(identity, num_steps=state["num_steps"] if state else 0)
    task = PretrainingTask(method, pixels, settings, device, verdict.execution, probe)
    with executing(method, verdict.execution):
        cost = train(task, settings.optimisation, device, recipe.seed, Hooks(checkpoint=saved, on_epoch=watch.on_epoch))
    scores = dict(probe.scores) if probe is not None else {}
    if probe is not None and scores:
        probe.take_best(encoder)
    encoder.origin = settings.method
    return Pretrained(encoder=encoder.eval(), cost=cost, verdict=verdict, scores=scores)


def _verdict(
    method: Method, pixels: PixelRows, settings: Pretraining, device: torch.device, state: Mapping[str, object] | None
) -> Verdict:
    """How to compute: as the recipe says, as the run began that goes on, or as timing tells."""
    if settings.execution is not None:
        return Verdict(execution=settings.execution, step_s={})
    if state is not None:
        notes: Mapping[str, Mapping[str, object]] = state["notes"]  # type: ignore[assignment]
        return Verdict(execution=Execution(**notes["execution"]), step_s=notes["step_s"])  # type: ignore[arg-type]
    num_pictures = min(settings.micro_batch_size or settings.optimisation.batch_size, len(pixels))
    if device.type == "cpu":
        num_pictures = min(num_pictures, MAX_TUNED_ON)
    indices = torch.arange(num_pictures)

    def step(trial: Method, execution: Execution) -> None:
        PretrainingTask(trial, pixels, replace(settings, micro_batch_size=None), device, execution).backward(indices)

    steps_alike = settings.optimisation.epochs * len(pixels) // max(1, num_pictures)
    return Ranks.here().of_first(autotune(method, step, device, num_steps=steps_alike))


def _weights(encoder: Encoder) -> list[NDArray[Any]]:
    return [tensor.cpu().numpy() for tensor in encoder.backbone.state_dict().values()]
