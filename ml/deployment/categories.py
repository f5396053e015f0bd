"""Category predictions: the deepest category above a threshold, the path to it, and alternative leaves."""

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
class CategoryPredictions:
    """The predictions of `num` images.

    `path` and `path_probabilities`, (num, num_levels), are the categories on the path to the best leaf, root first;
    `depths`, (num,), is the number of them above the threshold, 0 for none. `leaves` and `leaf_probabilities`,
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
        """The id of each image's predicted category, (num,); -1 where there is none."""
        reached = np.take_along_axis(self.path, np.maximum(self.depths - 1, 0)[:, None], axis=1)[:, 0]
        categories: Ids = np.where(self.depths > 0, reached, -1)
        return categories

    @property
    def probabilities(self) -> Floats:
        """The probability of that category, (num,); 1 where there is none, as every leaf lies below the root."""
        reached = np.take_along_axis(self.path_probabilities, np.maximum(self.depths - 1, 0)[:, None], axis=1)[:, 0]
        probabilities: Floats = np.where(self.depths > 0, reached, 1.0)
        return probabilities


def categorize(
    log_probabilities: NDArray[np.floating[Any]], hierarchy: Hierarchy, temperature: float, threshold: float
) -> CategoryPredictions:
    """Predict the deepest category of the best leaf's path whose probability is above the threshold.

    Args:
        log_probabilities: of leaves, (num, num_leaves), before temperature scaling.
        hierarchy: the classifier's.
        temperature: divides the log-probabilities.
        threshold: on probabilities, by `conformal_threshold`.
    """
    leaves = np.exp(at_temperature(log_probabilities, temperature))
    paths = BestPaths.of(hierarchy.marginalize(leaves), hierarchy)
    num = min(1 + NUM_ALTERNATIVES, leaves.shape[1])
    best = np.argsort(-leaves, axis=1, kind="stable")[:, :num]
    return CategoryPredictions(
        depths=paths.depths(threshold),
        path=hierarchy.labels[paths.classes[:, -1]],
        path_probabilities=paths.masses,
        leaves=hierarchy.decode(-1, best),
        leaf_probabilities=np.take_along_axis(leaves, best, axis=1),
    )
