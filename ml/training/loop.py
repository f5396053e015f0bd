"""The training loop: epochs, learning rate schedule, checkpoints, weight averaging and early stopping."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ml.memory import keep_freed_memory
from ml.recipe_types import Optimization
from ml.training.checkpoints import Checkpoint, save_inputs
from ml.training.optimizers import ExponentialMovingAverage, build_optimizer, clip_gradients, set_learning_rate
from ml.training.schedules import warmup_cosine
from ml.training.stopping import Stopping

OnEpoch = Callable[[Mapping[str, float]], None]
OnStep = Callable[[int, int], None]


class Task(Protocol):
    """A training task: a module, its training examples, and the gradient of the loss of any batch of them."""

    num_examples: int

    @property
    def module(self) -> nn.Module:
        """The module that is trained and checkpointed."""
        ...

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Computes the loss of a batch and adds its gradient; random draws use PyTorch's global generator.

        Args:
            indices: Indices of the examples, (batch,), on the CPU.

        Returns:
            `loss` and further metrics to average over the epoch, scalars without gradient.
        """
        ...

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Returns the examples at these indices, to be saved after a failed step."""
        ...

    def after_update(self, progress: float) -> None:
        """Is called after every step with the finished share of all steps, in 0..1."""
        ...

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Returns validation metrics of an epoch (from 1); may be empty."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """The cost of a run over all its attempts: device seconds, examples, and the step after which it resumed."""

    device_s: float
    num_examples_seen: int
    resumed_after_step: int

    @property
    def examples_per_s(self) -> float:
        """Training throughput in examples per device second."""
        return self.num_examples_seen / self.device_s


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Optional parts of a run.

    Args:
        checkpoint: File of the run's state; None disables checkpoints.
        on_epoch: Is called after each epoch with `epoch` (from 1), the mean `loss` and other metrics, `lr` and
            `examples_per_s`.
        on_step: Is called after each optimizer step with the numbers of finished and of all steps; it may raise to end
            the run, which then resumes from its checkpoint.
        stopping: May end the run before its last epoch, and restores the weights of the best evaluation.
    """

    checkpoint: Checkpoint | None = None
    on_epoch: OnEpoch | None = None
    on_step: OnStep | None = None
    stopping: Stopping | None = None


NO_HOOKS = Hooks()


def train(task: Task, settings: Optimization, device: torch.device, seed: int, hooks: Hooks = NO_HOOKS) -> TrainingCost:
    """Trains `task.module` in place, resuming from the checkpoint if it has a state of the same run.

    Args:
        task: The module and its examples.
        settings: Optimizer and schedule.
        device: The module is moved to this device.
        seed: Seed of the order of examples and of all random draws.
        hooks: Checkpoint, epoch callback and early stopping.

    Raises:
        ValueError: There are fewer than two examples.
        FloatingPointError: The loss or the gradient is not finite. The message names the step and, if there is a
            checkpoint, the file next to it with the step's inputs.
    """
    if task.num_examples < 2:
        raise ValueError(f"training needs at least 2 examples, got {task.num_examples}")
    keep_freed_memory()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        run = _Run(task, settings, device, hooks)
        stopping = hooks.stopping
        resumed_after = run.resume()
        while run.epoch < settings.epochs and not (stopping and stopping.should_stop):
            metrics = run.finish_epoch()
            with run.average.applied() if run.average else nullcontext():
                validation = task.evaluate(run.epoch, settings.epochs)
                if stopping:
                    stopping.update(validation, task.module)
            if hooks.on_epoch is not None:
                hooks.on_epoch({**metrics, **validation})
        if run.average:
            run.average.copy_to_module()
        if stopping:
            stopping.restore_best(task.module)
    if hooks.checkpoint is not None:
        hooks.checkpoint.remove()
    return TrainingCost(
        device_s=run.device_s, num_examples_seen=run.num_examples_seen, resumed_after_step=resumed_after
    )


class _Run:
    """A run in progress: module, optimizer, random state and counters."""

    def __init__(self, task: Task, settings: Optimization, device: torch.device, hooks: Hooks) -> None:
        self.task, self.settings, self.device = task, settings, device
        self.checkpoint, self.stopping, self.on_step = hooks.checkpoint, hooks.stopping, hooks.on_step
        task.module.to(device)
        # Batches of equal size, since a small last batch harms batch norm and contrastive losses.
        self.num_batches = math.ceil(task.num_examples / settings.batch_size)
        self.optimizer = build_optimizer(task.module, settings)
        self.average = (
            ExponentialMovingAverage(task.module, settings.ema_decay) if settings.ema_decay is not None else None
        )
        self.epoch = 0  # finished epochs
        self.num_steps = 0
        self.num_examples_seen = 0
        self.device_s = 0.0
        self.order_rng = torch.get_rng_state()  # generator state from which the current epoch's order is drawn
        self.sums: dict[str, Tensor] = {}  # metrics of the current epoch, weighted by number of examples
        self.epoch_s = 0.0
        self.rate = 0.0  # of the last step

    def finish_epoch(self) -> dict[str, float]:
        """Trains to the end of the current epoch and returns its metrics."""
        started = time.perf_counter()
        self.task.module.train()
        first = self.num_steps - self.epoch * self.num_batches
        if first == 0:  # all draws of the epoch depend only on this state
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
                started = self._add_time_since(started)
                self.checkpoint.write(self.state())
        self._add_time_since(started)
        self.epoch += 1
        num_examples = self.task.num_examples
        means = {name: value.item() / num_examples for name, value in self.sums.items()}
        return {"epoch": self.epoch, **means, "lr": self.rate, "examples_per_s": num_examples / self.epoch_s}

    def _step(self, indices: Tensor) -> None:
        num_total = self.settings.epochs * self.num_batches
        warmup = round(self.settings.warmup_epochs * self.num_batches)
        self.rate = self.settings.lr * warmup_cosine(self.num_steps, warmup, num_total)
        set_learning_rate(self.optimizer, self.rate)
        self.optimizer.zero_grad(set_to_none=True)
        metrics = self.task.backward(indices)
        norm = clip_gradients(self.task.module, self.settings)
        if not (torch.isfinite(metrics["loss"]) and torch.isfinite(norm)):
            self._fail(indices, metrics["loss"].item(), norm.item())
        self.optimizer.step()
        self.num_steps += 1
        self.num_examples_seen += len(indices)
        self.task.after_update(self.num_steps / num_total)
        if self.average:
            self.average.update(self.num_steps)
        for name, value in metrics.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach() * len(indices)
        if self.on_step is not None:
            self.on_step(self.num_steps, num_total)

    def _fail(self, indices: Tensor, loss: float, norm: float) -> None:
        location = "that step"
        if self.checkpoint is not None and self.checkpoint.writes:
            location = str(save_inputs(self.checkpoint.path, {**self.task.inputs(indices), "indices": indices}))
        raise FloatingPointError(
            f"step {self.num_steps} has the loss {loss} and the gradient norm {norm}; lower the learning rate "
            f"(now {self.rate:g} of {self.settings.lr:g}) or inspect the inputs of {location}"
        )

    def _add_time_since(self, started: float) -> float:
        """Adds the device time since `started`, a `perf_counter` value, and returns the current value."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        self.device_s += now - started
        self.epoch_s += now - started
        return now

    def state(self) -> dict[str, Any]:
        """Returns everything that a resumed run needs."""
        return {
            "module": self.task.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.tensors if self.average else {},
            "stopping": self.stopping.state_dict() if self.stopping else {},
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "order_rng": self.order_rng,
            "sums": self.sums,
            **{name: getattr(self, name) for name in _COUNTERS},
        }

    def resume(self) -> int:
        """Restores the checkpoint's state, if any, and returns its number of finished steps, or 0."""
        state = self.checkpoint.read() if self.checkpoint is not None else None
        if state is None:
            return 0
        self.task.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, tensor in state["average"].items():
            self.average.tensors[name].copy_(tensor)  # type: ignore[union-attr]
        if self.stopping:
            self.stopping.load_state_dict(state["stopping"])
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        self.order_rng = state["order_rng"]
        self.sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        for name in _COUNTERS:
            setattr(self, name, state[name])
        return self.num_steps


_COUNTERS = ("epoch", "num_steps", "num_examples_seen", "device_s", "epoch_s", "rate")
