"""Heads map features to logits for each taxonomy level; one class each, one line in `HEADS`.

The log-softmax of a level's logits are log-probabilities of its classes. Heads differ in how the levels depend on each
other; `leaf_scores` combines all levels into logits of leaves.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.levels import Levels
from ml.name_suggestions import suggest_names


class Heads(nn.Module, ABC):
    """The last layers of a classifier: features (batch, dim) to logits (batch, num_classes) per level.

    If `agree` is true, a class has the probability of all classes below it, and gradients flow through every level.
    """

    agree = False

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__()
        self.levels = Levels(hierarchy)

    @abstractmethod
    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of every level, root first."""

    def leaf_scores(self, scores: Sequence[Tensor], depth_weights: Sequence[float]) -> Tensor:
        """Combine the logits of all levels into those of leaves, (batch, num_leaves), by the loss's depth weights."""
        return scores[-1]


class PerLevel(Heads):
    """One independent linear head per level.

    A leaf's score is the mean of the log-probabilities along its path, weighted by the depth weights.
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
    """The probability of each child given its parent: a softmax over siblings, summed in logarithms along the path."""

    agree = True

    def __init__(self, dim: int, hierarchy: Hierarchy) -> None:
        super().__init__(hierarchy)
        self.linear = nn.ModuleList(_linear(dim, num) for num in hierarchy.num_classes)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.levels.from_sibling_logits([head(features).float() for head in self.linear])


class Marginal(Heads):
    """Only leaves have weights; a class above has the probability of all leaves below it."""

    agree = True

    def __init__(self, dim: int, hierarchy: Hierarchy) -> None:
        super().__init__(hierarchy)
        self.linear = _linear(dim, hierarchy.num_classes[-1])

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.levels.marginalize(self.linear(features).float().log_softmax(dim=1))


class Flat(Marginal):
    """Only leaves have weights, trained by the leaf loss alone; the levels above are derived without gradients."""

    agree = False

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        *above, leaves = super().forward(features)
        return (*(each.detach() for each in above), leaves)


def _linear(dim: int, num: int) -> nn.Linear:
    head = nn.Linear(dim, num)
    for weight in head.parameters():
        nn.init.zeros_(weight)  # few labels cannot correct a random start in directions that they do not span
    return head


HEADS: dict[str, Callable[[int, Hierarchy], Heads]] = {
    "flat": Flat,
    "per_level": PerLevel,
    "conditional": Conditional,
    "marginal": Marginal,
}


def build_heads(name: str, dim: int, hierarchy: Hierarchy) -> Heads:
    """Build the heads of this name.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in HEADS:
        raise ValueError(f"unknown heads {name!r}; {suggest_names(name, HEADS)}")
    return HEADS[name](dim, hierarchy)
