"""All heads in one network, so that one export covers them."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ml.classifiers.classifier import Classifier
from ml.classifiers.heads import HEADS, Heads
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template

NAMES = tuple(HEADS)


class AllHeads(Heads):
    """Every entry of `HEADS` side by side; each has an equal share of the probability of the leaves."""

    def __init__(self, dim: int, hierarchy: Hierarchy) -> None:
        super().__init__(hierarchy)
        self.members = nn.ModuleList(HEADS[name](dim, hierarchy) for name in NAMES)
        self.num_levels = len(hierarchy.ids)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return tuple(scores for member in self.members for scores in member(features))

    def leaf_scores(self, scores: Sequence[Tensor], depth_weights: Sequence[float]) -> Tensor:
        levels = [scores[start : start + self.num_levels] for start in range(0, len(scores), self.num_levels)]
        leaves = [
            member.leaf_scores(own, depth_weights) for member, own in zip(self.members, levels, strict=True)
        ]  # num_heads x (batch, num_leaves)
        return torch.cat([each.log_softmax(dim=1) for each in leaves], dim=1)


def alone(classifier: Classifier, name: str) -> Classifier:
    """The classifier with one of its heads."""
    single = Classifier(classifier.encoder, classifier.hierarchy, Template(heads=name))
    single.heads.load_state_dict(classifier.heads.members[NAMES.index(name)].state_dict())  # type: ignore[union-attr, index]
    return single.eval()


def leaves_of(log_probabilities: Tensor, name: str) -> Tensor:
    """The log-probabilities of leaves by one of the heads, (num, num_leaves), of those of all heads."""
    parts = log_probabilities.chunk(len(NAMES), dim=1)
    return parts[NAMES.index(name)] + math.log(len(NAMES))
