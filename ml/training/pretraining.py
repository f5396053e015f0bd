"""Pretraining: trains an encoder on unlabeled images with any method of `METHODS`."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.encoders.encoder import Encoder, build
from ml.execution import executing
from ml.memory import keep_freed_memory
from ml.methods import build_method
from ml.methods.method import Method
from ml.pixels import PixelsLike, fingerprint_arrays
from ml.recipe_types import DEFAULT_EXECUTION, Augmentation, EncoderRecipe, Execution, Pretraining, fingerprint
from ml.training.accumulation import backward
from ml.training.autotune import MAX_TUNED_ON, TunedExecution, autotune
from ml.training.checkpoints import Checkpoint
from ml.training.loop import Hooks, OnEpoch, TrainingCost, train
from ml.training.online_probe import OnlineProbe
from ml.training.ranks import Ranks, synchronize_norms
from ml.views import ViewParameters, draw_parameters, render_all

logger = logging.getLogger(__name__)

NO_COST = TrainingCost(device_s=0.0, num_examples_seen=0, resumed_after_step=0)


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A pretrained encoder.

    Attributes:
        encoder: The encoder in evaluation mode.
        cost: Device seconds and images of the training.
        tuned: The execution that was used; None without training.
        scores: The online probe's score of each evaluated epoch.
    """

    encoder: Encoder
    cost: TrainingCost
    tuned: TunedExecution | None = None
    scores: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PretrainingCallbacks:
    """Optional parts of a pretraining.

    Args:
        checkpoint: File of the run's state; None disables checkpoints.
        checkpoint_every_s: Minimal time between two checkpoints, in seconds.
        on_epoch: Is called after each epoch with its metrics.
        probe: Scores the encoder during training; the encoder ends with the weights of the best-scoring epoch.
    """

    checkpoint: Path | None = None
    checkpoint_every_s: float = 30.0
    on_epoch: OnEpoch | None = None
    probe: OnlineProbe | None = None


NO_CALLBACKS = PretrainingCallbacks()


class PretrainingTask:
    """Trains a method on images.

    Args:
        method: The method, whose encoder is trained.
        pixels: (num_images, 3, height, width), uint8.
        settings: Views and micro-batch size.
        device: The device that trains.
        execution: Precision of the forward passes.
        probe: Evaluated after epochs, if given.
    """

    def __init__(
        self,
        method: Method,
        pixels: PixelsLike,
        settings: Pretraining,
        device: torch.device,
        execution: Execution = DEFAULT_EXECUTION,
        probe: OnlineProbe | None = None,
    ) -> None:
        self.num_examples = len(pixels)
        self._method, self._pixels, self._settings = method, pixels, settings
        self._device, self._execution, self._probe = device, execution, probe
        self._kinds = view_kinds(settings, method)
        self._ranks = Ranks.current()

    @property
    def module(self) -> Method:
        """The method."""
        return self._method

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Adds the gradient of a global batch, of which this rank computes its share; returns `loss`."""
        shared = indices[: len(indices) - len(indices) % self._ranks.world_size]
        own = self._ranks.local_slice(len(shared))
        drawn = [each.rows(own) for each in self._draw(len(shared))]  # every rank draws for the global batch
        batch = torch.from_numpy(self._pixels[shared[own].numpy()])

        def views(part: slice) -> list[Tensor]:
            rows = batch[part].to(self._device)
            kinds = zip(drawn, self._kinds, strict=True)
            return render_all(rows, [(parameters.rows(part), resolution) for parameters, (_, resolution) in kinds])

        size = self._settings.micro_batch_size or len(batch)
        parts = [slice(start, start + size) for start in range(0, len(batch), size)]
        return {"loss": backward(self._method, views, parts, self._execution, self._ranks)}

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Returns the images at these indices."""
        return {"pixels": torch.from_numpy(self._pixels[indices.numpy()])}

    def after_update(self, progress: float) -> None:
        """Sets the method's progress and updates its momentum copies."""
        self._method.progress.fill_(progress)
        self._method.after_update()

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Returns the online probe's score as `probe` in epochs with an evaluation."""
        if self._probe is None or not self._ranks.is_first:
            return {}
        score = self._probe.evaluate(self._method.encoder, epoch, num_epochs)
        return {} if score is None else {"probe": score}

    def _draw(self, batch: int) -> list[ViewParameters]:
        height, width = self._pixels.shape[2:]
        return [draw_parameters(augmentation, batch, height, width) for augmentation, _ in self._kinds]


def view_kinds(settings: Pretraining, method: Method) -> list[tuple[Augmentation, int]]:
    """Returns the augmentation and the resolution of each view, the global ones first."""
    second = settings.second_augmentation or settings.augmentation
    resolution = method.encoder.resolution
    kinds = [(settings.augmentation if view == 0 else second, resolution) for view in range(method.num_views)]
    local = settings.local_views
    if local is not None:
        local_resolution = local.resolution
        if not method.encoder.accepts(local_resolution):
            message = "%s does not accept %d px: local views cost as much as global ones"
            logger.warning(message, method.encoder.name, local_resolution)
            local_resolution = resolution
        kinds += [(local.augmentation, local_resolution)] * local.num
    return kinds


def pretrain(
    recipe: EncoderRecipe,
    pixels: PixelsLike,
    device: torch.device,
    callbacks: PretrainingCallbacks = NO_CALLBACKS,
    parent: Encoder | None = None,
) -> Pretrained:
    """Builds the encoder of a recipe and pretrains it, if the recipe has a pretraining.

    A killed run resumes from `callbacks.checkpoint` if called again with the same recipe and images.

    Args:
        recipe: The complete configuration.
        pixels: Unlabeled images (num_images, 3, height, width), uint8.
        device: The device that trains.
        callbacks: Checkpoint file, epoch callback and online probe.
        parent: The trained encoder that `recipe.parent` names, if any.

    Raises:
        ValueError: The backbone, the resolution or the method is not possible, or there are fewer than two images.
        FloatingPointError: The training diverged.
    """
    encoder = build(recipe, parent)
    if recipe.pretraining is None:
        return Pretrained(encoder=encoder, cost=NO_COST)
    if len(pixels) < 2:  # nothing to contrast
        raise ValueError(
            f"encoder {recipe.name!r} cannot be pretrained on {len(pixels)} images, it takes at least 2; "
            "wait until images of the training split are downloaded"
        )
    settings = recipe.pretraining
    keep_freed_memory()  # before anything is timed
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        method = build_method(encoder, settings)
    ranks = Ranks.current()
    synchronize_norms(method, ranks)
    # The recipe does not determine the weights of a parent or a file, so they are part of the run's identity.
    loaded_weights = [] if parent is None and recipe.weights_file is None else _weights(encoder)
    identity = f"{fingerprint(recipe)}-{fingerprint_arrays(pixels, *loaded_weights)}"
    checkpoint = None
    if callbacks.checkpoint is not None:
        checkpoint = Checkpoint(
            path=callbacks.checkpoint,
            fingerprint=identity,
            min_interval_s=callbacks.checkpoint_every_s,
            writes=ranks.is_first,
        )
    state = checkpoint.read() if checkpoint is not None else None
    tuned = _tuned_execution(method, pixels, settings, device, state)
    if checkpoint is not None:
        checkpoint.notes = {"execution": asdict(tuned.execution), "step_s": dict(tuned.step_s)}
    probe = callbacks.probe
    if probe is not None:
        probe.resume(identity, num_steps=state["num_steps"] if state else 0)
    task = PretrainingTask(method, pixels, settings, device, tuned.execution, probe)
    hooks = Hooks(checkpoint=checkpoint, on_epoch=callbacks.on_epoch)
    with executing(method, tuned.execution):
        cost = train(task, settings.optimization, device, recipe.seed, hooks)
    scores = dict(probe.scores) if probe is not None else {}
    if probe is not None and scores:
        probe.load_best(encoder)
    encoder.origin = settings.method
    return Pretrained(encoder=encoder.eval(), cost=cost, tuned=tuned, scores=scores)


def _tuned_execution(
    method: Method, pixels: PixelsLike, settings: Pretraining, device: torch.device, state: Mapping[str, object] | None
) -> TunedExecution:
    """Returns the execution of the recipe or of the run to resume; otherwise measures."""
    if settings.execution is not None:
        return TunedExecution(execution=settings.execution, step_s={})
    if state is not None:
        notes: Mapping[str, Mapping[str, object]] = state["notes"]  # type: ignore[assignment]
        return TunedExecution(execution=Execution(**notes["execution"]), step_s=notes["step_s"])  # type: ignore[arg-type]
    num_images = min(settings.micro_batch_size or settings.optimization.batch_size, len(pixels))
    if device.type == "cpu":
        num_images = min(num_images, MAX_TUNED_ON)
    indices = torch.arange(num_images)

    def step(trial: Method, execution: Execution) -> None:
        PretrainingTask(trial, pixels, replace(settings, micro_batch_size=None), device, execution).backward(indices)

    num_steps = settings.optimization.epochs * len(pixels) // max(1, num_images)
    return Ranks.current().broadcast_first(autotune(method, step, device, num_steps=num_steps))


def _weights(encoder: Encoder) -> list[NDArray[Any]]:
    return [tensor.cpu().numpy() for tensor in encoder.backbone.state_dict().values()]
