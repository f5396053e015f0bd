"""Heads: from features to scores for each taxonomy level; one class each, one line in `HEADS`.

The scores of a level are logits: their log-softmax are log-probabilities of its classes. What makes them agree from
level to level is where heads differ, and `leaf_scores` is how each makes one answer of them all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.levels import Levels
from ml.near_names import near


class Heads(nn.Module, ABC):
    """The last layers of a classifier: features (batch, dim) -> scores (batch, num_classes) a level.

    Where `agree`, a class is as probable as those below it together, and a gradient goes through every level.
    """

    agree = False

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__()
        self.levels = Levels(hierarchy)

    @abstractmethod
    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Scores of every level, root first."""

    def leaf_scores(self, scores: Sequence[Tensor], depth_weights: Sequence[float]) -> Tensor:
        """Logits of leaves, (batch, num_leaves), in the light of all levels; `depth_weights` are the losses'."""
        return scores[-1]


class PerLevel(Heads):
    """One linear head for each level, independent of the others, as the published classifier has them.

    An answer weighs the levels' log-probabilities along each path by their depth weights.
    """

    def __init__(self, dim: int, hierarchy: Hierarchy) -> None:
        super().__init__(hierarchy)
        self.linear = nn.ModuleList(_linear(dim, num) for num in hierarchy.num_classes)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return tuple(head(features) for head in self.linear)

    def leaf_scores(self, scores: Sequence[Tensor], depth_weights: Sequence[float]) -> Tensor:
        total = sum(depth_weights)
        shares = [weight / total for weight in depth_weights]
        return self.levels.along_paths([each.log_softmax(dim=1) for each in scores], shares)


class Conditional(Heads):
    """Each child given its parent: classes compete with their siblings, and a path's log-probabilities add up."""

    agree = True

    def __init__(self, dim: int, hierarchy: Hierarchy) -> None:
        super().__init__(hierarchy)
        self.linear = nn.ModuleList(_linear(dim, num) for num in hierarchy.num_classes)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.levels.share_out([head(features).float() for head in self.linear])


class Marginal(Heads):
    """Leaves alone have weights; a class higher up is as probable as the leaves below it together."""

    agree = True

    def __init__(self, dim: int, hierarchy: Hierarchy) -> None:
        super().__init__(hierarchy)
        self.linear = _linear(dim, hierarchy.num_classes[-1])

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.levels.marginalise(self.linear(features).float().log_softmax(dim=1))


class Flat(Marginal):
    """Leaves alone, and only their own loss trains them; the levels above are there to be read."""

    agree = False

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        *above, leaves = super().forward(features)
        return (*(each.detach() for each in above), leaves)


def _linear(dim: int, num: int) -> nn.Linear:
    head = nn.Linear(dim, num)
    for weight in head.parameters():
        nn.init.zeros_(weight)  # few labels never correct a random start in the directions they do not span
    return head


HEADS: dict[str, Callable[[int, Hierarchy], Heads]] = {
    "flat": Flat,
    "per_level": PerLevel,
    "conditional": Conditional,
    "marginal": Marginal,
}


def build_heads(name: str, dim: int, hierarchy: Hierarchy) -> Heads:
    """The heads of this name.

    Raises:
        ValueError: no heads have this name.
    """
    if name not in HEADS:
        raise ValueError(f"unknown heads {name!r}; {near(name, HEADS)}")
    return HEADS[name](dim, hierarchy)
