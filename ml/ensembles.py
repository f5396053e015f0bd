"""Ensembles: several classifiers that answer as one, by a vote of equals or by weights fitted on validation pictures.

Members may know different classes: one that training never showed has the probability 0 for that member.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml.classifiers.hierarchy import Hierarchy, Ids

Probabilities = tuple[NDArray[np.float32], ...]  # num_levels x (num_pictures, num_classes)
Combination = Literal["vote", "stack"]

MAX_ITERATIONS, TOLERANCE = 1_000, 1e-7
LEAST = 1e-12  # what a member that rules a class out is taken to have said


def over(hierarchy: Hierarchy, member: Hierarchy, probabilities: Probabilities) -> Probabilities:
    """A member's probabilities over the classes of the ensemble."""
    spread = []
    for ids, own_ids, own in zip(hierarchy.ids, member.ids, probabilities, strict=True):
        wide = np.zeros((len(own), len(ids)), dtype=np.float32)
        wide[:, np.searchsorted(np.array(ids), np.array(own_ids))] = own
        spread.append(wide)
    return tuple(spread)


def combined(members: Sequence[Probabilities], weights: Sequence[float]) -> Probabilities:
    """The weighted mean of members' probabilities over the same classes: a linear opinion pool."""
    shares = np.array(weights, dtype=np.float32) / np.sum(weights)
    return tuple(
        np.tensordot(shares, np.stack(level), axes=1).astype(np.float32) for level in zip(*members, strict=True)
    )


def stacking_weights(members: Sequence[NDArray[np.float32]], targets: Ids) -> NDArray[np.float64]:
    """The weights (num_members,) of a linear pool under which validation labels are likeliest.

    `members` are leaf probabilities (num_pictures, num_classes), `targets` (num_pictures,) class indices, negative
    where no member knows the class. The likelihood is concave in the weights: expectation-maximisation finds its top
    and keeps them positive with the sum 1.

    Raises:
        ValueError: no picture has a class that a member knows.
    """
    known = np.flatnonzero(targets >= 0)
    if len(known) == 0:
        raise ValueError("stacking needs validation pictures of classes that the members know; there is none")
    said = np.stack([member[known, targets[known]] for member in members], axis=1).astype(np.float64)  # (n, members)
    said = np.maximum(said, LEAST)
    weights = np.full(len(members), 1 / len(members))
    for _ in range(MAX_ITERATIONS):
        shares = said * weights
        shares /= shares.sum(axis=1, keepdims=True)
        moved = shares.mean(axis=0)
        if np.abs(moved - weights).max() < TOLERANCE:
            break
        weights = moved
    return weights
