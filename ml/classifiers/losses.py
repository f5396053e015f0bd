"""Losses of classifiers over all taxonomy levels; one function each, one line in `LOSSES`.

All take logits, num_levels x (batch, num_classes), and class indices, (batch, num_levels), and add up the levels by
their depth weights. `UNKNOWN` targets are ignored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ml.classifiers.hierarchy import UNKNOWN, Hierarchy, Ids
from ml.name_suggestions import suggest_names

BETA = 0.999  # of class-balanced weights: Cui et al. try 0.9 to 0.9999
ALPHA = 0.1  # of the hierarchical cross entropy: Bertinetto et al. try 0.1 to 0.5
MIN_VALUE = 0.1  # of the mean value: a leaf without value is still trained on


@dataclass(frozen=True, kw_only=True)
class TrainingStatistics:
    """Settings and statistics of the training set: images per class, and the business value of each leaf."""

    depth_weights: Sequence[float]
    label_smoothing: float
    num_of_class: tuple[Tensor, ...]  # num_levels x (num_classes,)
    value_of_leaf: Tensor  # (num_leaves,), 1 on an average training image

    @classmethod
    def of(
        cls,
        hierarchy: Hierarchy,
        labels: Ids,
        depth_weights: Sequence[float],
        label_smoothing: float,
        values: Mapping[int, float] | None = None,
    ) -> "TrainingStatistics":
        """Build from training labels (num_examples, num_levels) and the known business values by leaf id."""
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

    def to(self, device: torch.device) -> "TrainingStatistics":
        """Return a copy on a device."""
        return TrainingStatistics(
            depth_weights=self.depth_weights,
            label_smoothing=self.label_smoothing,
            num_of_class=tuple(each.to(device) for each in self.num_of_class),
            value_of_leaf=self.value_of_leaf.to(device),
        )


def _relative(value: Tensor, num: Tensor) -> Tensor:
    """The values of leaves divided by the mean over training images; all 1 if no value is known."""
    mean = (value * num).sum() / num.sum()
    if mean <= 0:
        return torch.ones_like(value)
    floored = (value / mean).clamp(min=MIN_VALUE)
    return floored * num.sum() / (floored * num).sum()


Loss = Callable[[Sequence[Tensor], Tensor, TrainingStatistics], Tensor]


def cross_entropy(scores: Sequence[Tensor], targets: Tensor, training: TrainingStatistics) -> Tensor:
    """Return the mean cross entropy of each level, with label smoothing."""
    return _by_level(scores, targets, training)


def class_balanced(scores: Sequence[Tensor], targets: Tensor, training: TrainingStatistics) -> Tensor:
    """Weight classes by the inverse of their effective number, (1 - beta^n) / (1 - beta).

    Cui et al. 2019, arXiv:1901.05555. The weights of a level's classes have the mean 1.
    """
    weights = []
    for num in training.num_of_class:
        inverse = (1 - BETA) / (1 - BETA ** num.double().clamp(min=1))
        weights.append((inverse * len(num) / inverse.sum()).float())
    return _by_level(scores, targets, training, [w[t.clamp(min=0)] for w, t in zip(weights, targets.T, strict=True)])


def logit_adjusted(scores: Sequence[Tensor], targets: Tensor, training: TrainingStatistics) -> Tensor:
    """Add the log-frequency of each class to its logit, so that rare classes gain a margin.

    Menon et al. 2021, arXiv:2007.07314, equation 10 with tau = 1. The network's own logits are then those of a
    balanced training set.
    """
    shares = [num.clamp(min=1) / num.clamp(min=1).sum() for num in training.num_of_class]
    return _by_level([own + share.log() for own, share in zip(scores, shares, strict=True)], targets, training)


def value_weighted(scores: Sequence[Tensor], targets: Tensor, training: TrainingStatistics) -> Tensor:
    """Weight every image, on all levels, by the business value of its leaf."""
    leaves = targets[:, -1]
    worth = torch.where(leaves == UNKNOWN, 1.0, training.value_of_leaf[leaves.clamp(min=0)])
    return _by_level(scores, targets, training, [worth] * len(scores))


def hierarchical(scores: Sequence[Tensor], targets: Tensor, training: TrainingStatistics) -> Tensor:
    """Return the hierarchical cross entropy: of each class given its parent, discounted by height.

    Bertinetto et al. 2020, arXiv:1912.09393, equation 3: minus the sum along the path of exp(-alpha h) log p(class |
    parent), h the height above the leaf and p(class | parent) = p(class) / p(parent). It needs heads whose levels
    agree, and ignores the depth weights.
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
    """Return the loss of this name.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}; {suggest_names(name, LOSSES)}")
    return LOSSES[name]


def _by_level(
    scores: Sequence[Tensor], targets: Tensor, training: TrainingStatistics, weights: Sequence[Tensor] | None = None
) -> Tensor:
    """The sum of the levels' mean cross entropies; `weights`, num_levels x (batch,), are of single examples."""
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
    """Return the share of targets (batch,) among the k highest logits (batch, num_classes); `UNKNOWN` never is."""
    best = logits.topk(min(k, logits.shape[1]), dim=1).indices
    return (best == targets[:, None]).any(dim=1).float().mean(dtype=torch.float32)
