"""Conformal prediction: the deepest category that contains the true one with a requested coverage.

The nodes on the path of the best leaf are nested sets of leaves, from the leaf itself up to the root, which means no
prediction. The prediction is the deepest node whose probability is above a threshold; the threshold is that of split
conformal prediction on images used neither for training nor for the temperature (Vovk et al. 2005; for nested sets
Gupta et al. 2022, arXiv:1910.10562; the same as conformal risk control with the loss "not below the node",
Angelopoulos et al. 2022, arXiv:2208.02814). If these images are exchangeable with new ones, the true category of a new
image lies below its prediction with at least the requested coverage, however good the probabilities are; bad
probabilities make shallow predictions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.classifiers.calibration import at_temperature
from ml.classifiers.hierarchy import Hierarchy, Ids

Floats = NDArray[np.float64]

ALWAYS = -1.0  # the score of an image whose best leaf is right; as a threshold it always predicts the leaf
NEVER = 1.0  # as a threshold it never predicts, since no probability is above it


@dataclass(frozen=True, kw_only=True)
class BestPaths:
    """The path to each image's best leaf: classes and probabilities of its nodes, both (num, num_levels), root first.

    A node has the probability of all leaves below it, so probabilities never increase from the root to the leaf.
    """

    classes: Ids
    masses: Floats

    @classmethod
    def of(cls, levels: Sequence[NDArray[np.floating]], hierarchy: Hierarchy) -> "BestPaths":
        """Build from probabilities, num_levels x (num, num_classes), each level the sums of the one below."""
        classes = hierarchy.paths[levels[-1].argmax(axis=1)]
        rows = np.arange(len(classes))
        masses = np.stack([own[rows, best] for own, best in zip(levels, classes.T, strict=True)], axis=1)
        masses = masses.astype(np.float64).clip(max=1.0)  # rounding errors can exceed 1, which is `NEVER`
        return cls(classes=classes, masses=np.minimum.accumulate(masses, axis=1))

    @classmethod
    def at_temperature(
        cls, log_probabilities: NDArray[np.floating], temperature: float, hierarchy: Hierarchy
    ) -> "BestPaths":
        """Build from log-probabilities of leaves (num, num_leaves), scaled by a temperature."""
        cooled = np.exp(at_temperature(log_probabilities, temperature))
        return cls.of(hierarchy.marginalize(cooled), hierarchy)

    def rows(self, chosen: NDArray[np.intp]) -> "BestPaths":
        """Return the paths of some images, by their positions (num_chosen,)."""
        return BestPaths(classes=self.classes[chosen], masses=self.masses[chosen])

    def depths(self, threshold: float) -> Ids:
        """Return the depth of each prediction at a threshold, (num,): 0 for none, num_levels for the leaf."""
        depths: Ids = (self.masses > threshold).sum(axis=1).astype(np.int64)
        return depths

    def right_depths(self, targets: Ids) -> Ids:
        """Return the depth of the deepest node that contains the true leaf, (num,).

        Args:
            targets: classes, (num, num_levels). A class that training never saw is on no path; its ancestors may be.
        """
        if targets.shape != self.classes.shape:
            raise ValueError(
                f"targets have the shape {targets.shape}, the best paths {self.classes.shape}; both must be the same"
            )
        right: Ids = np.logical_and.accumulate(self.classes == targets, axis=1).sum(axis=1).astype(np.int64)
        return right

    def are_covered(self, targets: Ids, threshold: float) -> NDArray[np.bool_]:
        """Return whether each true leaf lies below the prediction, (num,); every leaf lies below the root."""
        covered: NDArray[np.bool_] = self.depths(threshold) <= self.right_depths(targets)
        return covered

    def scores(self, targets: Ids) -> Floats:
        """Return the smallest threshold at which each image's prediction contains its true leaf, (num,)."""
        right = self.right_depths(targets)
        padded = np.column_stack([self.masses, np.full(len(self.masses), ALWAYS)])
        scores: Floats = padded[np.arange(len(padded)), right]  # the first node that does not contain it
        return scores


def conformal_threshold(scores: Floats, coverage: float) -> float:
    """Return the threshold for a coverage: the ceil((num + 1) * coverage)-th smallest of the scores (num,).

    The added one stands for the new image. With too few images for the coverage the threshold is `NEVER`.

    Raises:
        ValueError: there is no score, or the coverage is not between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"the coverage is {coverage}; it must lie between 0 and 1, such as 0.9")
    if len(scores) == 0:
        raise ValueError("there is no calibration image to choose a threshold on; label some validation products")
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)  # 0.9 * 10 must be 9, not 10
    return NEVER if rank > len(scores) else float(np.sort(scores)[rank - 1])
