"""Losses of classifiers: what an answer on every level costs; one function each, one line in `LOSSES`.

All take a level's scores as logits and add up the levels by their depth weights. Targets that training never saw count
for nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ml.classifiers.hierarchy import UNKNOWN, Hierarchy, Ids
from ml.near_names import near

BETA = 0.999  # of class-balanced weights: Cui et al. try 0.9 to 0.9999
ALPHA = 0.1  # of the hierarchical cross entropy: Bertinetto et al. try 0.1 to 0.5
LEAST_VALUE = 0.1  # of the mean value: a leaf that sells nothing is still to be told


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a loss knows of the training: how often each class comes, and what a picture of each leaf is worth."""

    depth_weights: Sequence[float]
    label_smoothing: float
    num_of_class: tuple[Tensor, ...]  # num_levels x (num_classes,)
    value_of_leaf: Tensor  # (num_leaves,), 1 on an average training picture

    @classmethod
    def of(
        cls,
        hierarchy: Hierarchy,
        labels: Ids,
        depth_weights: Sequence[float],
        label_smoothing: float,
        values: Mapping[int, float] | None = None,
    ) -> "Training":
        """Of training labels (num_examples, num_levels), and business values by leaf id, where they are known."""
        classes = hierarchy.encode(labels)
        num_of_class = tuple(
            torch.from_numpy(np.bincount(level[level != UNKNOWN], minlength=num)).float()
            for level, num in zip(classes.T, hierarchy.num_classes, strict=True)
        )
        value = torch.tensor([float((values or {}).get(leaf, 0.0)) for leaf in hierarchy.ids[-1]])
        return cls(
            depth_weights=depth_weights,
            label_smoothing=label_smoothing,
            num_of_class=num_of_class,
            value_of_leaf=_relative(value, num_of_class[-1]),
        )

    def to(self, device: torch.device) -> "Training":
        """The same on a device."""
        return Training(
            depth_weights=self.depth_weights,
            label_smoothing=self.label_smoothing,
            num_of_class=tuple(each.to(device) for each in self.num_of_class),
            value_of_leaf=self.value_of_leaf.to(device),
        )


def _relative(value: Tensor, num: Tensor) -> Tensor:
    """Values of leaves over that of the average training picture; 1 everywhere where none is known."""
    mean = (value * num).sum() / num.sum()
    if mean <= 0:
        return torch.ones_like(value)
    floored = (value / mean).clamp(min=LEAST_VALUE)
    return floored * num.sum() / (floored * num).sum()


Loss = Callable[[Sequence[Tensor], Tensor, Training], Tensor]


def cross_entropy(scores: Sequence[Tensor], targets: Tensor, training: Training) -> Tensor:
    """The mean cross entropy of each level, with label smoothing."""
    return _by_level(scores, targets, training)


def class_balanced(scores: Sequence[Tensor], targets: Tensor, training: Training) -> Tensor:
    """Classes weigh by the inverse of their effective number, (1 - beta^n) / (1 - beta) (Cui 2019).

    Cui et al. 2019, arXiv:1901.05555. The weights of a level's classes have the mean 1.
    """
    weights = []
    for num in training.num_of_class:
        inverse = (1 - BETA) / (1 - BETA ** num.double().clamp(min=1))
        weights.append((inverse * len(num) / inverse.sum()).float())
    return _by_level(scores, targets, training, [w[t.clamp(min=0)] for w, t in zip(weights, targets.T, strict=True)])


def logit_adjusted(scores: Sequence[Tensor], targets: Tensor, training: Training) -> Tensor:
    """Scores plus the log of how often their class comes: rare classes gain a margin (Menon 2021).

    Menon et al. 2021, arXiv:2007.07314, equation 10 with tau = 1. The network's own scores then tell
    classes as if all were equally frequent.
    """
    shares = [num.clamp(min=1) / num.clamp(min=1).sum() for num in training.num_of_class]
    return _by_level([own + share.log() for own, share in zip(scores, shares, strict=True)], targets, training)


def value_weighted(scores: Sequence[Tensor], targets: Tensor, training: Training) -> Tensor:
    """Every picture weighs, on all levels, what its leaf is worth to the business."""
    leaves = targets[:, -1]
    worth = torch.where(leaves == UNKNOWN, 1.0, training.value_of_leaf[leaves.clamp(min=0)])
    return _by_level(scores, targets, training, [worth] * len(scores))


def hierarchical(scores: Sequence[Tensor], targets: Tensor, training: Training) -> Tensor:
    """Hierarchical cross entropy: each class given its parent, discounted by height (Bertinetto 2020).

    Bertinetto et al. 2020, arXiv:1912.09393, equation 3: minus the sum along the path of exp(-alpha h) log p(class |
    parent), h the height above the leaf and p(class | parent) = p(class) / p(parent). So it takes heads whose levels
    agree, and depth weights play no part.
    """
    log_p = [own.float().log_softmax(dim=1) for own in scores]
    known = (targets != UNKNOWN).all(dim=1)
    along = [own.gather(1, target.clamp(min=0)[:, None])[:, 0] for own, target in zip(log_p, targets.T, strict=True)]
    total = scores[0].new_zeros(len(targets), dtype=torch.float32)
    for level, own in enumerate(along):
        above = along[level - 1] if level else torch.zeros_like(own)
        discount = float(np.exp(-ALPHA * (len(along) - 1 - level)))
        total = total - discount * (own - above)
    return (total * known).sum() / known.sum().clamp(min=1)


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "class_balanced": class_balanced,
    "logit_adjusted": logit_adjusted,
    "value_weighted": value_weighted,
    "hierarchical": hierarchical,
}


def loss_named(name: str) -> Loss:
    """The loss of this name.

    Raises:
        ValueError: none has this name; the message lists the known ones.
    """
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}; {near(name, LOSSES)}")
    return LOSSES[name]


def _by_level(
    scores: Sequence[Tensor], targets: Tensor, training: Training, weights: Sequence[Tensor] | None = None
) -> Tensor:
    """Levels' mean cross entropies by depth weight; `weights` (num_levels x (batch,)) weigh single examples."""
    loss = scores[0].new_zeros(())
    for level, (own, depth_weight) in enumerate(zip(scores, training.depth_weights, strict=True)):
        target = targets[:, level]
        num_known = (target != UNKNOWN).sum().clamp(min=1)  # a batch without a known target adds 0, not 0 / 0
        smoothing = training.label_smoothing
        each = F.cross_entropy(own, target, ignore_index=UNKNOWN, label_smoothing=smoothing, reduction="none")
        if weights is not None:
            each = each * weights[level]
        loss = loss + depth_weight * each.sum() / num_known
    return loss


def top_k_accuracy(logits: Tensor, targets: Tensor, k: int) -> Tensor:
    """The share of targets (batch,) among the k highest logits; an unknown target is always missed."""
    best = logits.topk(min(k, logits.shape[1]), dim=1).indices
    return (best == targets[:, None]).any(dim=1).float().mean(dtype=torch.float32)
