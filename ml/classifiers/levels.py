"""Levels: log-probabilities of leaves summed upward, and shared out downward, as one tensor operation a level."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ml.classifiers.hierarchy import Hierarchy


class Levels(nn.Module):
    """The shape of a hierarchy, on the device of the classifier that it is part of."""

    paths: Tensor  # (num_leaves, num_levels): the class on every level of each leaf

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__()
        self.num_classes = hierarchy.num_classes
        self.register_buffer("paths", torch.from_numpy(hierarchy.paths), persistent=False)
        for level, parents in enumerate(hierarchy.parents):
            self.register_buffer(f"parents_{level}", torch.tensor(parents, dtype=torch.long), persistent=False)

    def parents(self, level: int) -> Tensor:
        """The parent's class of each class of this level, (num_classes,); level 0, the root's, has none."""
        parents: Tensor = self.get_buffer(f"parents_{level - 1}")
        return parents

    def marginalise(self, leaves: Tensor) -> tuple[Tensor, ...]:
        """Log-probabilities of every level, root first, of those of leaves (batch, num_leaves)."""
        levels = [leaves]
        for level in range(len(self.num_classes) - 1, 0, -1):
            levels.append(group_logsumexp(levels[-1], self.parents(level), self.num_classes[level - 1]))
        return tuple(reversed(levels))

    def share_out(self, logits: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Log-probabilities of every level whose logits tell each class from its siblings alone."""
        levels = [logits[0].log_softmax(dim=1)]
        for level, own in enumerate(logits[1:], start=1):
            parents = self.parents(level)
            among_siblings = own - group_logsumexp(own, parents, self.num_classes[level - 1])[:, parents]
            levels.append(levels[-1][:, parents] + among_siblings)
        return tuple(levels)

    def along_paths(self, levels: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Scores of leaves, (batch, num_leaves): log-probabilities of each path's classes, weighted and added."""
        total = torch.zeros((), device=levels[0].device)
        for level, (own, weight) in enumerate(zip(levels, weights, strict=True)):
            total = total + weight * own[:, self.paths[:, level]]
        return total


def group_logsumexp(values: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    """log sum exp over the columns of each group: (batch, n) and group numbers (n,) -> (batch, num_groups)."""
    index = groups.expand(len(values), -1)
    highest = values.detach().new_full((len(values), num_groups), -torch.inf)
    highest = highest.scatter_reduce(1, index, values.detach(), "amax").clamp(min=torch.finfo(values.dtype).min)
    exponentials = (values - highest.gather(1, index)).exp()
    return torch.zeros_like(highest).scatter_add(1, index, exponentials).log() + highest
