"""Answers: the deepest category that clears a confidence, the path to it, and what else a picture might show."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.classifiers.calibration import at_temperature
from ml.classifiers.conformal import BestPaths
from ml.classifiers.hierarchy import Hierarchy, Ids

NUM_ALTERNATIVES = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What is said of each picture.

    `path` and `path_probabilities`, (num, num_levels), are the categories on the way to the best leaf, root first;
    `depths`, (num,), how many of them can be answered with, 0 being none. `leaves` and `leaf_probabilities`,
    (num, up to 4), are the best leaf and its alternatives, best first.
    """

    depths: Ids
    path: Ids
    path_probabilities: Floats
    leaves: Ids
    leaf_probabilities: Floats

    def __len__(self) -> int:
        return len(self.depths)

    @property
    def categories(self) -> Ids:
        """The category that each picture is answered with, (num,); -1 where there is none."""
        reached = np.take_along_axis(self.path, np.maximum(self.depths - 1, 0)[:, None], axis=1)[:, 0]
        categories: Ids = np.where(self.depths > 0, reached, -1)
        return categories

    @property
    def probabilities(self) -> Floats:
        """How probable that category is, (num,); 1 where there is none, for below the root lies everything."""
        reached = np.take_along_axis(self.path_probabilities, np.maximum(self.depths - 1, 0)[:, None], axis=1)[:, 0]
        probabilities: Floats = np.where(self.depths > 0, reached, 1.0)
        return probabilities


def answers_of(
    log_probabilities: NDArray[np.floating[Any]], hierarchy: Hierarchy, temperature: float, threshold: float
) -> Answers:
    """The answers to log-probabilities of leaves (num, num_leaves), as deep as the threshold lets them go."""
    leaves = np.exp(at_temperature(log_probabilities, temperature))
    paths = BestPaths.of(hierarchy.marginalise(leaves), hierarchy)
    num = min(1 + NUM_ALTERNATIVES, leaves.shape[1])
    best = np.argsort(-leaves, axis=1, kind="stable")[:, :num]
    return Answers(
        depths=paths.depths(threshold),
        path=hierarchy.labels[paths.classes[:, -1]],
        path_probabilities=paths.masses,
        leaves=hierarchy.decode(-1, best),
        leaf_probabilities=np.take_along_axis(leaves, best, axis=1),
    )
