"""Early stopping: a training ends when validation no longer gets better, and keeps the weights that did best there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

JUDGED_BY = "validation_accuracy"


@dataclass(kw_only=True)
class EarlyStopping:
    """Ends a run after `patience` evaluations none of which was better than the best one before; of equals the first.

    A run that ends for another reason keeps the best weights too.
    """

    patience: int
    best: float = field(default=float("-inf"), init=False)
    num_worse: int = field(default=0, init=False)  # evaluations since the best
    weights: dict[str, Tensor] = field(default_factory=dict, init=False)

    @property
    def is_over(self) -> bool:
        return self.num_worse >= self.patience

    def look(self, figures: Mapping[str, float], module: nn.Module) -> None:
        """Takes what an evaluation found of the module as it is; figures without an accuracy are none."""
        score = figures.get(JUDGED_BY)
        if score is None:
            return
        if score > self.best:
            self.best, self.num_worse = score, 0
            self.weights = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        else:
            self.num_worse += 1

    def take_best(self, module: nn.Module) -> None:
        """Gives the module the best weights, if any evaluation took place."""
        if self.weights:
            module.load_state_dict(self.weights)

    def state(self) -> dict[str, Any]:
        """What a resumed run goes on from."""
        return {"best": self.best, "num_worse": self.num_worse, "weights": self.weights}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` gave."""
        self.best, self.num_worse, self.weights = state["best"], state["num_worse"], dict(state["weights"])
