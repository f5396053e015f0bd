"""The loop: the only one that steps an optimiser."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ml.recipes import Optimisation
from ml.training.checkpoints import Checkpoint
from ml.training.schedules import warmup_cosine

OnEpoch = Callable[[Mapping[str, float]], None]


class Step(NamedTuple):
    """What one batch gives: the loss to step on, and figures to average over the epoch."""

    loss: Tensor
    metrics: Mapping[str, Tensor]


class Task(Protocol):
    """Something trainable: a module, the number of its examples, and a loss for any choice of them."""

    num_examples: int

    @property
    def module(self) -> nn.Module:
        """What is trained and checkpointed."""
        ...

    def step(self, indices: Tensor) -> Step:
        """The loss of the examples at these indices, (batch,) on the CPU; draws are PyTorch's global ones."""
        ...

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Figures to report after an epoch besides the training figures; may be none."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run took: device seconds and examples over all its attempts, and the epoch it resumed after."""

    device_s: float
    num_examples_seen: int
    resumed_after_epoch: int

    @property
    def examples_per_s(self) -> float:
        return self.num_examples_seen / self.device_s


def train(
    task: Task,
    settings: Optimisation,
    device: torch.device,
    seed: int,
    checkpoint: Checkpoint | None = None,
    on_epoch: OnEpoch | None = None,
) -> Cost:
    """Train `task.module` in place, going on from the checkpoint if it holds a state of this very run.

    `on_epoch` gets the epoch (from 1), its mean loss and figures, the learning rate and the speed.

    Raises:
        ValueError: there are fewer than two examples.
        FloatingPointError: a loss or a gradient is no longer finite; the message names the step.
    """
    if task.num_examples < 2:
        raise ValueError(f"training needs at least 2 examples, got {task.num_examples}")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        run = _Run(task, settings, device)
        resumed_after = run.resume(checkpoint)
        for epoch in range(resumed_after + 1, settings.epochs + 1):
            metrics = run.epoch(epoch)
            if checkpoint is not None and epoch < settings.epochs and checkpoint.is_due():
                checkpoint.write(run.state(epoch))
            if on_epoch is not None:
                on_epoch({**metrics, **task.evaluate(epoch, settings.epochs)})
    if checkpoint is not None:
        checkpoint.remove()
    return Cost(device_s=run.device_s, num_examples_seen=run.num_examples_seen, resumed_after_epoch=resumed_after)


class _Run:
    """A run in progress: the module, its optimiser and how far they have come."""

    def __init__(self, task: Task, settings: Optimisation, device: torch.device) -> None:
        self.task, self.settings, self.device = task, settings, device
        task.module.to(device)
        # Batches of equal size, none tiny: batch norm and contrastive losses suffer from a small last one.
        self.num_batches = math.ceil(task.num_examples / settings.batch_size)
        self.optimiser = torch.optim.AdamW(_parameter_groups(task.module, settings), lr=settings.lr)
        self.num_steps = 0
        self.num_examples_seen = 0
        self.device_s = 0.0

    def epoch(self, number: int) -> dict[str, float]:
        start = time.perf_counter()
        self.task.module.train()
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        for indices in torch.randperm(self.task.num_examples).tensor_split(self.num_batches):
            lr = self._step_lr()
            loss, metrics = self.task.step(indices)
            self._update(loss)
            for name, value in {"loss": loss, **metrics}.items():
                sums[name] += value.detach() * len(indices)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elapsed_s = time.perf_counter() - start
        self.device_s += elapsed_s
        self.num_examples_seen += self.task.num_examples
        means = {name: value.item() / self.task.num_examples for name, value in sums.items()}
        return {"epoch": number, **means, "lr": lr, "examples_per_s": self.task.num_examples / elapsed_s}

    def _step_lr(self) -> float:
        warmup = round(self.settings.warmup_epochs * self.num_batches)
        lr = self.settings.lr * warmup_cosine(self.num_steps, warmup, self.settings.epochs * self.num_batches)
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["lr_factor"]
        return lr

    def _update(self, loss: Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.task.module.parameters(), self.settings.max_grad_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise FloatingPointError(
                f"step {self.num_steps} has the loss {loss.item()} and the gradient norm {norm.item()}; "
                f"lower the learning rate (now {self.settings.lr}) or look at the pictures of that step"
            )
        self.optimiser.step()
        self.num_steps += 1

    def state(self, epoch: int) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "module": self.task.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "num_steps": self.num_steps,
            "num_examples_seen": self.num_examples_seen,
            "device_s": self.device_s,
        }

    def resume(self, checkpoint: Checkpoint | None) -> int:
        """Take over a checkpoint's state and return the epoch that it was written after, or 0."""
        state = checkpoint.read() if checkpoint is not None else None
        if state is None:
            return 0
        self.task.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        self.num_steps = state["num_steps"]
        self.num_examples_seen = state["num_examples_seen"]
        self.device_s = state["device_s"]
        return int(state["epoch"])


def _parameter_groups(module: nn.Module, settings: Optimisation) -> list[dict[str, Any]]:
    """Weights decay; biases and normalisation scales, of one dimension, do not. An encoder has a rate of its own."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups[name.startswith("encoder."), parameter.ndim > 1].append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": settings.weight_decay if decays else 0.0,
            "lr_factor": settings.encoder_lr_factor if in_encoder else 1.0,
        }
        for (in_encoder, decays), parameters in groups.items()
    ]
