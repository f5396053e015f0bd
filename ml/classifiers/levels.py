"""Sums log-probabilities from leaves upward or multiplies them from the root downward, one operation a level."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ml.classifiers.hierarchy import Hierarchy


class Levels(nn.Module):
    """A hierarchy as tensors, which move to a device with the classifier."""

    paths: Tensor  # (num_leaves, num_levels): the classes on the path to each leaf

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__()
        self.num_classes = hierarchy.num_classes
        self.register_buffer("paths", torch.from_numpy(hierarchy.paths), persistent=False)
        for level, parents in enumerate(hierarchy.parents):
            self.register_buffer(f"parents_{level}", torch.tensor(parents, dtype=torch.long), persistent=False)

    def parents(self, level: int) -> Tensor:
        """Return the parent of each class of a level, (num_classes,); level 0, the root's, has none."""
        parents: Tensor = self.get_buffer(f"parents_{level - 1}")
        return parents

    def marginalize(self, leaves: Tensor) -> tuple[Tensor, ...]:
        """Return log-probabilities of every level, root first, from those of leaves (batch, num_leaves)."""
        levels = [leaves.t()]
        for level in range(len(self.num_classes) - 1, 0, -1):
            levels.append(group_logsumexp(levels[-1], self.parents(level), self.num_classes[level - 1]))
        return tuple(each.t() for each in reversed(levels))

    def from_sibling_logits(self, logits: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return log-probabilities of every level from logits whose softmax goes over siblings."""
        levels = [logits[0].log_softmax(dim=1).t()]
        for level, own in enumerate(logits[1:], start=1):
            parents = self.parents(level)
            siblings = group_logsumexp(own.t(), parents, self.num_classes[level - 1])
            among_siblings = own.t() - _of_groups(siblings, parents)
            levels.append(_of_groups(levels[-1], parents) + among_siblings)
        return tuple(each.t() for each in levels)

    def along_paths(self, levels: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Return the weighted sum of log-probabilities along each leaf's path, (batch, num_leaves)."""
        total = torch.zeros((), device=levels[0].device)
        for level, (own, weight) in enumerate(zip(levels, weights, strict=True)):
            total = total + weight * own[:, self.paths[:, level]]
        return total


def group_logsumexp(values: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    """Return the log-sum-exp over the rows of each group: (num, batch) and groups (num,) -> (num_groups, batch).

    Groups are of rows, not columns, because PyTorch then moves whole rows at once.
    """
    values = values.contiguous()
    index = groups.unsqueeze(1).expand_as(values)
    highest = values.detach().new_full((num_groups, values.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, index, values.detach(), "amax").clamp(min=torch.finfo(values.dtype).min)
    exponentials = (values - _of_groups(highest, groups)).exp()
    return torch.zeros_like(highest).scatter_add(0, index, exponentials).log() + highest


def _of_groups(values: Tensor, groups: Tensor) -> Tensor:
    """The value of each row's group: (num_groups, batch) and groups (num,) -> (num, batch)."""
    return values.gather(0, groups.unsqueeze(1).expand(-1, values.shape[1]))
