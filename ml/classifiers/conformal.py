"""Conformal answers: the deepest category that holds the true one as often as somebody asks for.

The nodes on the path of the best leaf are nested sets of leaves, from the leaf itself to the root, which answers
nothing. The answer is the deepest node that is more probable than a threshold; the threshold is that of split conformal
prediction on pictures that neither training nor temperature has seen (Vovk et al. 2005; for nested sets Gupta et al.
2022, arXiv:1910.10562; the same as conformal risk control with the loss "not below the node", Angelopoulos et al. 2022,
arXiv:2208.02814). Where these pictures are exchangeable with new ones, a new picture's category lies below its answer
with at least the coverage asked for, whatever the probabilities are worth; bad ones make shallow answers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.classifiers.calibration import at_temperature
from ml.classifiers.hierarchy import Hierarchy, Ids

Floats = NDArray[np.float64]

ALWAYS = -1.0  # the score of a picture whose best leaf is right, and a threshold that answers with the leaf
NEVER = 1.0  # a threshold above which no probability lies


@dataclass(frozen=True, kw_only=True)
class BestPaths:
    """The path of each picture's best leaf: classes and probabilities of its nodes, both (num, num_levels), root first.

    A node is as probable as all leaves below it, so probabilities never rise on the way down.
    """

    classes: Ids
    masses: Floats

    @classmethod
    def of(cls, levels: Sequence[NDArray[np.floating]], hierarchy: Hierarchy) -> "BestPaths":
        """Of probabilities, num_levels x (num, num_classes), each level the sum of the one below."""
        classes = hierarchy.paths[levels[-1].argmax(axis=1)]
        rows = np.arange(len(classes))
        masses = np.stack([own[rows, best] for own, best in zip(levels, classes.T, strict=True)], axis=1)
        masses = masses.astype(np.float64).clip(max=1.0)  # sums may come out a rounding error above, and `NEVER` is 1
        return cls(classes=classes, masses=np.minimum.accumulate(masses, axis=1))

    @classmethod
    def at_temperature(
        cls, log_probabilities: NDArray[np.floating], temperature: float, hierarchy: Hierarchy
    ) -> "BestPaths":
        """Of leaves' log-probabilities (num, num_leaves) at a temperature."""
        cooled = np.exp(at_temperature(log_probabilities, temperature))
        return cls.of(hierarchy.marginalise(cooled), hierarchy)

    def rows(self, chosen: NDArray[np.intp]) -> "BestPaths":
        """Those of some pictures."""
        return BestPaths(classes=self.classes[chosen], masses=self.masses[chosen])

    def depths(self, threshold: float) -> Ids:
        """How many levels deep each picture's answer is, (num,): 0 is no answer, num_levels the leaf."""
        depths: Ids = (self.masses > threshold).sum(axis=1).astype(np.int64)
        return depths

    def right_depths(self, targets: Ids) -> Ids:
        """The depth of the deepest node that holds the true leaf, (num,), of classes (num, num_levels).

        A class that training never saw is on no path, but its ancestors may be.
        """
        if targets.shape != self.classes.shape:
            raise ValueError(f"targets are {targets.shape}, the best paths {self.classes.shape}; give one a node")
        right: Ids = np.logical_and.accumulate(self.classes == targets, axis=1).sum(axis=1).astype(np.int64)
        return right

    def are_covered(self, targets: Ids, threshold: float) -> NDArray[np.bool_]:
        """Whether each picture's true leaf lies below its answer, (num,); below the root lies everything."""
        covered: NDArray[np.bool_] = self.depths(threshold) <= self.right_depths(targets)
        return covered

    def scores(self, targets: Ids) -> Floats:
        """The least threshold under which each picture's answer holds its true leaf, (num,)."""
        right = self.right_depths(targets)
        padded = np.column_stack([self.masses, np.full(len(self.masses), ALWAYS)])
        scores: Floats = padded[np.arange(len(padded)), right]  # the first node that does not hold it
        return scores


def conformal_threshold(scores: Floats, coverage: float) -> float:
    """The threshold by calibration scores (num,): the ceil((num + 1) * coverage)-th smallest of them.

    The one more stands for the new picture. With too few pictures for the coverage it is `NEVER`: no answer is safe.

    Raises:
        ValueError: there is no score, or the coverage is not between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"the coverage is {coverage}; it has to lie between 0 and 1, as 0.9 does")
    if len(scores) == 0:
        raise ValueError("there is no calibration picture to choose a threshold by; label some validation products")
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)  # 0.9 * 10 is to be 9
    return NEVER if rank > len(scores) else float(np.sort(scores)[rank - 1])
