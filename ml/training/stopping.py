"""Early stopping: ends a training when the validation accuracy stops improving and restores the best weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

MONITORED_METRIC = "validation_accuracy"


class Stopping(Protocol):
    """Ends a training before its last epoch; its state is part of the training's checkpoints."""

    @property
    def should_stop(self) -> bool:
        """True if no further epoch is to be trained."""
        ...

    def update(self, metrics: Mapping[str, float], module: nn.Module) -> None:
        """Is called after each epoch with its validation metrics and the module, weight averaging applied."""
        ...

    def restore_best(self, module: nn.Module) -> None:
        """Is called after the last epoch, and may load other weights into the module."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Returns the state for a checkpoint."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the state of a checkpoint."""
        ...


@dataclass(kw_only=True)
class EarlyStopping:
    """Stops after `patience` evaluations without improvement; of equal scores the first is the best.

    The best weights are also restored if all epochs run.

    Args:
        patience: Number of evaluations without improvement, at least 1.
    """

    patience: int
    best: float = field(default=float("-inf"), init=False)
    num_worse: int = field(default=0, init=False)  # evaluations since the best
    weights: dict[str, Tensor] = field(default_factory=dict, init=False)

    @property
    def should_stop(self) -> bool:
        """True if `patience` evaluations have passed without improvement."""
        return self.num_worse >= self.patience

    def update(self, metrics: Mapping[str, float], module: nn.Module) -> None:
        """Records an evaluation and copies the module's weights if it is the best; ignores metrics without accuracy."""
        score = metrics.get(MONITORED_METRIC)
        if score is None:
            return
        if score > self.best:
            self.best, self.num_worse = score, 0
            self.weights = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        else:
            self.num_worse += 1

    def restore_best(self, module: nn.Module) -> None:
        """Loads the best weights into the module, if any evaluation took place."""
        if self.weights:
            module.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state for a checkpoint."""
        return {"best": self.best, "num_worse": self.num_worse, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the state of a checkpoint."""
        self.best, self.num_worse, self.weights = state["best"], state["num_worse"], dict(state["weights"])
