"""Ensembles: weighted means of several classifiers' probabilities, with equal weights or weights fitted on validation.

Members may know different classes; a class that a member does not know has the probability 0 for it.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml.classifiers.hierarchy import Hierarchy, Ids

Probabilities = tuple[NDArray[np.float32], ...]  # num_levels x (num_images, num_classes)
Combination = Literal["vote", "stack"]

MAX_ITERATIONS, TOLERANCE = 1_000, 1e-7
MIN_PROBABILITY = 1e-12  # in place of 0, in logarithms and in shares


def over_ensemble_classes(hierarchy: Hierarchy, member: Hierarchy, probabilities: Probabilities) -> Probabilities:
    """Return a member's probabilities over the classes of the ensemble's hierarchy."""
    expanded = []
    for ids, own_ids, own in zip(hierarchy.ids, member.ids, probabilities, strict=True):
        wide = np.zeros((len(own), len(ids)), dtype=np.float32)
        wide[:, np.searchsorted(np.array(ids), np.array(own_ids))] = own
        expanded.append(wide)
    return tuple(expanded)


def combined(members: Sequence[Probabilities], weights: Sequence[float]) -> Probabilities:
    """Return the weighted mean of members' probabilities over the same classes: a linear opinion pool."""
    shares = np.array(weights, dtype=np.float32) / np.sum(weights)
    return tuple(
        np.tensordot(shares, np.stack(level), axes=1).astype(np.float32) for level in zip(*members, strict=True)
    )


def stacking_weights(members: Sequence[NDArray[np.float32]], targets: Ids) -> NDArray[np.float64]:
    """Return the weights (num_members,) of a linear pool of maximum likelihood on validation labels.

    The likelihood is concave in the weights; expectation-maximization finds its maximum and keeps them positive with
    the sum 1.

    Args:
        members: leaf probabilities, (num_images, num_classes) per member.
        targets: class indices, (num_images,); negative where no member knows the class.

    Raises:
        ValueError: no image has a class that a member knows.
    """
    known = np.flatnonzero(targets >= 0)
    if len(known) == 0:
        raise ValueError("stacking needs validation images of classes that the members know; there is none")
    of_target = np.stack([member[known, targets[known]] for member in members], axis=1).astype(np.float64)
    of_target = np.maximum(of_target, MIN_PROBABILITY)  # (num_known, num_members)
    weights = np.full(len(members), 1 / len(members))
    for _ in range(MAX_ITERATIONS):
        shares = of_target * weights
        shares /= shares.sum(axis=1, keepdims=True)
        updated = shares.mean(axis=0)
        if np.abs(updated - weights).max() < TOLERANCE:
            break
        weights = updated
    return weights
