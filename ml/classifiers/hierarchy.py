"""The hierarchy a classifier knows: for each taxonomy level, the ids its training labels have, in order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

UNKNOWN = -1  # the class index of an id that training never saw; no prediction can equal it


@dataclass(frozen=True, kw_only=True)
class Hierarchy:
    """Taxonomy ids to class indices and back: `ids[level]` is sorted, and an id's position is its class."""

    ids: tuple[tuple[int, ...], ...]

    @classmethod
    def of_labels(cls, labels: Ids) -> "Hierarchy":
        """The hierarchy of training labels (num_examples, num_levels): root first, leaf last.

        Raises:
            ValueError: there are no labels.
        """
        if labels.ndim != 2 or len(labels) == 0:
            raise ValueError(f"labels must be (num_examples > 0, num_levels), got the shape {labels.shape}")
        return cls(ids=tuple(tuple(int(id_) for id_ in np.unique(level)) for level in labels.T))

    @property
    def num_classes(self) -> tuple[int, ...]:
        """The number of classes of each level."""
        return tuple(len(level) for level in self.ids)

    def encode(self, labels: Ids) -> Ids:
        """Class indices (num_examples, num_levels) of taxonomy ids; `UNKNOWN` where training saw no such id.

        Raises:
            ValueError: the labels have another number of levels.
        """
        if labels.ndim != 2 or labels.shape[1] != len(self.ids):
            raise ValueError(f"labels must be (num_examples, {len(self.ids)}), got the shape {labels.shape}")
        encoded = np.full(labels.shape, UNKNOWN, dtype=np.int64)
        for level, known in enumerate(self.ids):
            known_ids = np.array(known, dtype=np.int64)
            position = np.searchsorted(known_ids, labels[:, level]).clip(max=len(known) - 1)
            seen = known_ids[position] == labels[:, level]
            encoded[seen, level] = position[seen]
        return encoded

    def decode(self, level: int, indices: Ids) -> Ids:
        """Taxonomy ids of class indices of one level (0 is the root's), in any shape."""
        return np.array(self.ids[level], dtype=np.int64)[indices]
