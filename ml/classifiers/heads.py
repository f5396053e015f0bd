"""Heads: from features to one set of logits for each taxonomy level; one class each, one line in `HEADS`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor, nn


class Heads(nn.Module, ABC):
    """The last layers of a classifier: features (batch, dim) -> logits (batch, num_classes) a level."""

    @abstractmethod
    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Logits of every level, root first."""


class PerLevel(Heads):
    """One linear head for each level, independent of the others."""

    def __init__(self, dim: int, num_classes: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Linear(dim, num) for num in num_classes)
        for head in self.levels.parameters():
            nn.init.zeros_(head)  # few labels never correct a random start in the directions they do not span

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return tuple(head(features) for head in self.levels)


HEADS: dict[str, Callable[[int, Sequence[int]], Heads]] = {
    "per_level": PerLevel,
}


def build_heads(name: str, dim: int, num_classes: Sequence[int]) -> Heads:
    """The heads of this name.

    Raises:
        ValueError: no heads have this name.
    """
    if name not in HEADS:
        raise ValueError(f"unknown heads {name!r}; known are {', '.join(sorted(HEADS))}")
    return HEADS[name](dim, num_classes)
