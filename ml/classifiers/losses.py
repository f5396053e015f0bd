"""Losses of classifiers, and the figures that go with them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ml.classifiers.hierarchy import UNKNOWN


def depth_weighted_loss(
    logits: Sequence[Tensor], targets: Tensor, depth_weights: Sequence[float], label_smoothing: float = 0.0
) -> Tensor:
    """The weighted sum of each level's cross entropy, of targets (batch, num_levels).

    Logits are num_levels x (batch, num_classes). Targets that training never saw count for nothing.
    """
    loss = logits[0].new_zeros(())
    for level, (level_logits, weight) in enumerate(zip(logits, depth_weights, strict=True)):
        target = targets[:, level]
        num_known = (target != UNKNOWN).sum().clamp(min=1)  # a batch without a known target adds 0, not 0 / 0
        total = F.cross_entropy(
            level_logits, target, ignore_index=UNKNOWN, label_smoothing=label_smoothing, reduction="sum"
        )
        loss = loss + weight * total / num_known
    return loss


def top_k_accuracy(logits: Tensor, targets: Tensor, k: int) -> Tensor:
    """The share of targets (batch,) among the k highest logits; an unknown target is always missed."""
    best = logits.topk(min(k, logits.shape[1]), dim=1).indices
    return (best == targets[:, None]).any(dim=1).float().mean(dtype=torch.float32)
