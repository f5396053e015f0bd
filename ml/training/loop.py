"""The loop: the only one that steps an optimiser."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ml.memory import keep_freed_memory
from ml.recipe_types import Optimisation
from ml.training.checkpoints import Checkpoint, save_inputs
from ml.training.optimisers import Average, build_optimiser, set_rate
from ml.training.schedules import warmup_cosine
from ml.training.stopping import EarlyStopping

OnEpoch = Callable[[Mapping[str, float]], None]


class Task(Protocol):
    """Something trainable: a module, the number of its examples, and the gradient of a loss for any choice of them."""

    num_examples: int

    @property
    def module(self) -> nn.Module:
        """What is trained and checkpointed."""
        ...

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Adds the gradient of the loss of the examples at these indices, (batch,) on the CPU.

        Returns `loss` and any other figures to average over the epoch, scalars without a gradient. Draws are PyTorch's
        global ones.
        """
        ...

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        """What the examples at these indices are, to be looked at after a step that failed."""
        ...

    def after_update(self, progress: float) -> None:
        """Called after every step with the share of all steps that is done."""
        ...

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Figures to report after an epoch besides the training figures; may be none."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run took: device seconds and examples over all its attempts, and the step it resumed after."""

    device_s: float
    num_examples_seen: int
    resumed_after_step: int

    @property
    def examples_per_s(self) -> float:
        return self.num_examples_seen / self.device_s


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What a run keeps and tells on its way.

    `on_epoch` gets the epoch (from 1), its mean loss and figures, the learning rate and the speed. With `stopping` a
    run may end before its last epoch, and its weights are the best evaluation's.
    """

    checkpoint: Checkpoint | None = None
    on_epoch: OnEpoch | None = None
    stopping: EarlyStopping | None = None


NO_HOOKS = Hooks()


def train(task: Task, settings: Optimisation, device: torch.device, seed: int, hooks: Hooks = NO_HOOKS) -> Cost:
    """Train `task.module` in place, going on from the checkpoint if it holds a state of this very run.

    Raises:
        ValueError: there are fewer than two examples.
        FloatingPointError: a loss or a gradient is no longer finite; the message names the step and, where there is a
            checkpoint, the file beside it that holds the step's inputs.
    """
    if task.num_examples < 2:
        raise ValueError(f"training needs at least 2 examples, got {task.num_examples}")
    keep_freed_memory()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        run = _Run(task, settings, device, hooks)
        stopping = hooks.stopping
        resumed_after = run.resume()
        while run.epoch < settings.epochs and not (stopping and stopping.is_over):
            figures = run.finish_epoch()
            with run.average.in_place() if run.average else nullcontext():
                evaluated = task.evaluate(run.epoch, settings.epochs)
                if stopping:
                    stopping.look(evaluated, task.module)
            if hooks.on_epoch is not None:
                hooks.on_epoch({**figures, **evaluated})
        if run.average:
            run.average.move_in()
        if stopping:
            stopping.take_best(task.module)
    if hooks.checkpoint is not None:
        hooks.checkpoint.remove()
    return Cost(device_s=run.device_s, num_examples_seen=run.num_examples_seen, resumed_after_step=resumed_after)


class _Run:
    """A run in progress: the module, its optimiser and how far they have come."""

    def __init__(self, task: Task, settings: Optimisation, device: torch.device, hooks: Hooks) -> None:
        self.task, self.settings, self.device = task, settings, device
        self.checkpoint, self.stopping = hooks.checkpoint, hooks.stopping
        task.module.to(device)
        # Batches of equal size, none tiny: batch norm and contrastive losses suffer from a small last one.
        self.num_batches = math.ceil(task.num_examples / settings.batch_size)
        self.optimiser = build_optimiser(task.module, settings)
        self.average = Average(task.module, settings.ema_decay) if settings.ema_decay is not None else None
        self.epoch = 0  # finished ones
        self.num_steps = 0
        self.num_examples_seen = 0
        self.device_s = 0.0
        self.order_rng = torch.get_rng_state()  # what the order of the epoch under way is drawn from
        self.sums: dict[str, Tensor] = {}  # of the epoch under way, figures weighted by their examples
        self.epoch_s = 0.0
        self.rate = 0.0  # of the last step

    def finish_epoch(self) -> dict[str, float]:
        """Goes on to the end of the epoch under way; returns its figures."""
        started = time.perf_counter()
        self.task.module.train()
        first = self.num_steps - self.epoch * self.num_batches
        if first == 0:  # what is drawn from then on depends on nothing but this state
            self.order_rng = torch.get_rng_state()
            self.sums, self.epoch_s = {}, 0.0
            order = torch.randperm(self.task.num_examples)
        else:
            generator = torch.Generator()
            generator.set_state(self.order_rng)
            order = torch.randperm(self.task.num_examples, generator=generator)
        for indices in order.tensor_split(self.num_batches)[first:]:
            self._step(indices)
            if self.checkpoint is not None and self.checkpoint.is_due():
                started = self._clock(started)
                self.checkpoint.write(self.state())
        self._clock(started)
        self.epoch += 1
        num_examples = self.task.num_examples
        means = {name: value.item() / num_examples for name, value in self.sums.items()}
        return {"epoch": self.epoch, **means, "lr": self.rate, "examples_per_s": num_examples / self.epoch_s}

    def _step(self, indices: Tensor) -> None:
        num_all = self.settings.epochs * self.num_batches
        warmup = round(self.settings.warmup_epochs * self.num_batches)
        self.rate = self.settings.lr * warmup_cosine(self.num_steps, warmup, num_all)
        set_rate(self.optimiser, self.rate)
        self.optimiser.zero_grad(set_to_none=True)
        figures = self.task.backward(indices)
        norm = nn.utils.clip_grad_norm_(self.task.module.parameters(), self.settings.max_grad_norm)
        if not (torch.isfinite(figures["loss"]) and torch.isfinite(norm)):
            self._fail(indices, figures["loss"].item(), norm.item())
        self.optimiser.step()
        self.num_steps += 1
        self.num_examples_seen += len(indices)
        self.task.after_update(self.num_steps / num_all)
        if self.average:
            self.average.update(self.num_steps)
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach() * len(indices)

    def _fail(self, indices: Tensor, loss: float, norm: float) -> None:
        where = "that step"
        if self.checkpoint is not None and self.checkpoint.writes:
            where = str(save_inputs(self.checkpoint.path, {**self.task.inputs(indices), "indices": indices}))
        raise FloatingPointError(
            f"step {self.num_steps} has the loss {loss} and the gradient norm {norm}; lower the learning rate "
            f"(now {self.rate:g} of {self.settings.lr:g}) or look at the inputs of {where}"
        )

    def _clock(self, started: float) -> float:
        """Adds the device's time since `started`, a perf_counter; returns the time of now."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        self.device_s += now - started
        self.epoch_s += now - started
        return now

    def state(self) -> dict[str, Any]:
        return {
            "module": self.task.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.tensors if self.average else {},
            "stopping": self.stopping.state() if self.stopping else {},
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "order_rng": self.order_rng,
            "sums": self.sums,
            **{name: getattr(self, name) for name in _COUNTERS},
        }

    def resume(self) -> int:
        """Take over a checkpoint's state and return the step that it was written after, or 0."""
        state = self.checkpoint.read() if self.checkpoint is not None else None
        if state is None:
            return 0
        self.task.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, tensor in state["average"].items():
            self.average.tensors[name].copy_(tensor)  # type: ignore[union-attr]
        if self.stopping:
            self.stopping.resume(state["stopping"])
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        self.order_rng = state["order_rng"]
        self.sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        for name in _COUNTERS:
            setattr(self, name, state[name])
        return self.num_steps


_COUNTERS = ("epoch", "num_steps", "num_examples_seen", "device_s", "epoch_s", "rate")
