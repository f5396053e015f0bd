"""Photograph sets of two benchmarks: the labeled clothes and groceries of the training and validation splits."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from benchmarks.starting_weights import PHOTOGRAPHS, SHARED, TAXONOMY
from catalog.dataset.splits import split_of
from catalog.images.decoding import decode
from catalog.images.stored_image import ImageRules, StoredImage
from catalog.taxonomy.tree import Taxonomy
from demo.clothing import read_labels

GROCERIES = Path(os.environ.get("SHELFSIGHT_GROCERIES", str(SHARED / "grocery")))
CHOOSING = ("train", "val")  # no test image is read


@dataclass(frozen=True, kw_only=True)
class PhotoSet:
    """Labeled photographs without those of the test split.

    Attributes:
        name: Its name in claims.
        images: Encoded images, as a store has them by default.
        levels: Category ids on four levels, (num, 4).
        groups: Group of each image, (num,): near-duplicates are of one group.
        splits: "train" or "val" for each image, (num,).
    """

    name: str
    images: Sequence[bytes]
    levels: NDArray[np.int64]
    groups: NDArray[np.int64]
    splits: NDArray[np.str_]

    @property
    def leaves(self) -> NDArray[np.int64]:
        """The ids of the leaves, (num,)."""
        return self.levels[:, -1]

    def rows(self, split: str) -> NDArray[np.intp]:
        """Returns the rows of a split."""
        return np.flatnonzero(self.splits == split)


def clothes() -> PhotoSet:
    """Returns the clothing photographs on 10 Google categories, split by sender as the catalog splits groups."""
    listed = [each for each in read_labels(PHOTOGRAPHS) if each.google_id is not None]
    senders = [each.sender or each.image_id for each in listed]
    chosen = [number for number, sender in enumerate(senders) if split_of(sender) in CHOOSING]
    taxonomy = Taxonomy.read(UPath(TAXONOMY))
    return PhotoSet(
        name="clothing photographs",
        images=[_stored(PHOTOGRAPHS / "images" / f"{listed[number].image_id}.jpg") for number in chosen],
        levels=np.array([taxonomy.levels(listed[number].google_id or 0) for number in chosen]),
        groups=np.unique([senders[number] for number in chosen], return_inverse=True)[1],
        splits=np.array([split_of(senders[number]) for number in chosen]),
    )


def groceries() -> PhotoSet:
    """Returns the grocery photographs on their own 81 leaves, with their own split."""
    with (GROCERIES / "labels.csv").open(newline="") as file:
        listed = [row for row in csv.DictReader(file) if row["split"] in CHOOSING]
    paths = [row["label"].split(" > ") for row in listed]
    names = sorted({tuple(path[:depth]) for path in paths for depth in range(1, len(path) + 1)})
    ids = {name: number for number, name in enumerate(names, start=1)}
    # As in a catalog, a shorter path repeats its last category.
    levels = [[ids[tuple(path[: min(depth, len(path))])] for depth in range(1, 5)] for path in paths]
    return PhotoSet(
        name="grocery photographs",
        images=[_stored(GROCERIES / row["path"]) for row in listed],
        levels=np.array(levels),
        groups=np.arange(len(listed)),
        splits=np.array([row["split"] for row in listed]),
    )


def _stored(path: Path) -> bytes:
    """Returns an image as a download stores it by default."""
    stored = decode(path.read_bytes(), ImageRules())
    if not isinstance(stored, StoredImage):
        raise ValueError(f"{path} is no image: {stored}")  # noqa: TRY004 a status, not a wrong type
    return stored.data
