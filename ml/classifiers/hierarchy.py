"""Hierarchies: the ids of a classifier's training labels on each taxonomy level, and their parents."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

UNKNOWN = -1  # the class index of an id that training never saw, and the id of a missing label; never predicted


@dataclass(frozen=True, kw_only=True)
class Hierarchy:
    """Maps taxonomy ids to class indices and back: `ids[level]` is sorted, and an id's position is its class.

    `parents[level]` has the parent's class index for each class of level + 1; it is one entry shorter than `ids`.
    """

    ids: tuple[tuple[int, ...], ...]
    parents: tuple[tuple[int, ...], ...]

    @classmethod
    def of_labels(cls, labels: Ids) -> "Hierarchy":
        """Build from training labels (num_examples, num_levels), root first; `UNKNOWN` where there is no label.

        Raises:
            ValueError: there are no labels, or an id has two parents.
        """
        if labels.ndim != 2 or len(labels) == 0:
            raise ValueError(f"labels must be (num_examples > 0, num_levels), got the shape {labels.shape}")
        known = labels[(labels != UNKNOWN).all(axis=1)]
        if len(known) == 0:
            raise ValueError(f"none of {len(labels)} examples has a label; at least one is needed")
        levels = [np.unique(level, return_inverse=True) for level in known.T]
        parents = []
        for (above, of_above), (below, of_below) in pairwise(levels):
            pairs = np.unique(np.stack([of_below, of_above], axis=1), axis=0)
            children, times = np.unique(pairs[:, 0], return_counts=True)
            if times.max() > 1:
                child = children[times.argmax()]
                named = ", ".join(str(above[parent]) for parent in pairs[pairs[:, 0] == child, 1])
                raise ValueError(f"category {below[child]} lies below {named}; give it one parent in all labels")
            parents.append(tuple(pairs[:, 1].tolist()))
        return cls(ids=tuple(tuple(ids.tolist()) for ids, _ in levels), parents=tuple(parents))

    @property
    def num_classes(self) -> tuple[int, ...]:
        """The number of classes of each level."""
        return tuple(len(level) for level in self.ids)

    @property
    def paths(self) -> Ids:
        """The classes on the path to each leaf, root first: (num_leaves, num_levels)."""
        path = [np.arange(len(self.ids[-1]))]
        for parents in reversed(self.parents):
            path.append(np.array(parents, dtype=np.int64)[path[-1]])
        return np.stack(path[::-1], axis=1)

    @property
    def labels(self) -> Ids:
        """The taxonomy ids on the path to each leaf, root first: (num_leaves, num_levels)."""
        return np.stack([self.decode(level, classes) for level, classes in enumerate(self.paths.T)], axis=1)

    def marginalize(self, leaves: NDArray[np.floating]) -> tuple[NDArray[np.floating], ...]:
        """Sum probabilities of leaves (num, num_leaves) upward: num_levels x (num, num_classes), root first."""
        levels = [leaves]
        for parents, num in zip(reversed(self.parents), reversed(self.num_classes[:-1]), strict=True):
            own = np.array(parents, dtype=np.int64)
            order = np.argsort(own, kind="stable")
            starts = np.searchsorted(own[order], np.arange(num))  # every parent has a child
            levels.append(np.add.reduceat(levels[-1][:, order], starts, axis=1))
        return tuple(reversed(levels))

    def encode(self, labels: Ids) -> Ids:
        """Return class indices of taxonomy ids, both (num_examples, num_levels); `UNKNOWN` for an id that is not known.

        Raises:
            ValueError: the labels have another number of levels.
        """
        if labels.ndim != 2 or labels.shape[1] != len(self.ids):
            raise ValueError(f"labels must be (num_examples, {len(self.ids)}), got the shape {labels.shape}")
        encoded = np.full(labels.shape, UNKNOWN, dtype=np.int64)
        for level, known in enumerate(self.ids):
            known_ids = np.array(known, dtype=np.int64)
            position = np.searchsorted(known_ids, labels[:, level]).clip(max=len(known) - 1)
            is_known = known_ids[position] == labels[:, level]
            encoded[is_known, level] = position[is_known]
        return encoded

    def decode(self, level: int, indices: Ids) -> Ids:
        """Return taxonomy ids of one level's class indices, in any shape; level 0 is the root's."""
        return np.array(self.ids[level], dtype=np.int64)[indices]


def joint(members: Sequence[Hierarchy]) -> Hierarchy:
    """Return the hierarchy of all classes of several hierarchies.

    Raises:
        ValueError: there is none, they have different numbers of levels, or an id has two parents.
    """
    if not members:
        raise ValueError("an ensemble needs at least one member")
    depths = {len(member.ids) for member in members}
    if len(depths) > 1:
        raise ValueError(f"members of an ensemble have different numbers of levels: {sorted(depths)}")
    return Hierarchy.of_labels(np.concatenate([member.labels for member in members]))
