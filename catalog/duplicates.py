"""Duplicates: pictures that are one picture, byte for byte or after recompression, resizing or brightening.

Three steps, each on what the one before leaves: equal SHA-256; dhashes at most four bits apart, found by
banding; and a look at the pixels, so that look-alike products do not chain into one giant group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Indices = NDArray[np.int64]

THUMBNAIL_SIDE = 32
HASH_BITS = 64

# Two pictures are one if no pixel of their 32 x 32 grey thumbnails differs by more than this, once the mean
# brightness is taken off. The largest difference decides because a mean lets a small print or a slimmer leg
# through. Copies (JPEG quality 50 to 95, half to one and a half times the size, 5 % brighter or darker) stay
# below 13; different garments among 70,000 product pictures and 5,756 photographs start at about 30.
MAX_DIFFERENCE = 24.0
# A faint picture differs faintly from another one, so it may use only a quarter of its own grey range, down
# to what compression alone does to a blank one.
SHARE_OF_RANGE = 0.25
MIN_DIFFERENCE = 6.0

# A bucket of nearly blank hashes may hold everything; there each picture meets only the next so many in hash
# order, which bounds the work to pictures x bands x MAX_NEIGHBOURS.
MAX_NEIGHBOURS = 1_000
PAIRS_PER_CHUNK = 1 << 16  # some 50 MB
LOOKS_PER_CHUNK = 1 << 12  # some 50 MB
COARSE_SIDE = 8


def thumbnail(picture: Image.Image) -> NDArray[np.uint8]:
    """A picture's grey 32 x 32 thumbnail, (32, 32); bilinear, as the box filter aliases and Lanczos rings."""
    side = THUMBNAIL_SIDE
    return np.asarray(picture.convert("L").resize((side, side), Image.Resampling.BILINEAR), dtype=np.uint8)


def group_duplicates(
    sha256: Sequence[str],
    dhash: NDArray[np.uint64],
    thumbnails: Callable[[Indices], NDArray[np.uint8]],
    *,
    max_distance: int = 4,
    max_difference: float = MAX_DIFFERENCE,
) -> Indices:
    """For every picture the index of its group's first member, (n,); a picture without a twin has its own.

    `thumbnails` is called at most once, with the ascending indices of the pictures whose hash comes near
    another's, and returns (k, 32, 32) grey: a kibibyte a picture is held. Given first, named first: pictures
    appended later never rename a group, though they may join two.
    """
    if len(sha256) != len(dhash):
        raise ValueError(f"{len(sha256)} SHA-256 for {len(dhash)} dhashes; give one of each a picture")
    first = _first_of_equal(sha256)
    distinct = np.unique(first)
    hashes = np.asarray(dhash, dtype=np.uint64)[distinct]

    is_near = np.zeros(len(distinct), dtype=np.bool_)
    for a, b in near_hashes(hashes, max_distance):
        is_near[a] = is_near[b] = True
    near = np.flatnonzero(is_near)
    if len(near) == 0:
        return first

    looks = _Looks(thumbnails(distinct[near]), len(near), max_difference)
    members = distinct[near]
    for pairs in near_hashes(hashes[near], max_distance):
        a, b = looks.may_be_same(*pairs)
        for start in range(0, len(a), LOOKS_PER_CHUNK):
            some_a, some_b = a[start : start + LOOKS_PER_CHUNK], b[start : start + LOOKS_PER_CHUNK]
            apart = first[members[some_a]] != first[members[some_b]]  # the others need no look any more
            some_a, some_b = looks.are_same(some_a[apart], some_b[apart])
            first = joined(first, members[some_a], members[some_b])
    return first


def near_hashes(hashes: NDArray[np.uint64], max_distance: int) -> Iterator[tuple[Indices, Indices]]:
    """Chunks of the pairs of hashes at most `max_distance` bits apart, each pair once.

    Banding: of `max_distance + 1` bands of bits, a near pair agrees in at least one (pigeonhole). A band is
    every fifth bit rather than a run of them, since the upper rows of product pictures are equally blank.
    """
    num_bands = max_distance + 1
    masks = [np.uint64(sum(1 << bit for bit in range(band, HASH_BITS, num_bands))) for band in range(num_bands)]
    for band, mask in enumerate(masks):
        order = np.lexsort((hashes, hashes & mask))
        in_order = hashes[order]
        for a, b in _pairs_in_buckets(in_order & mask):
            differing = in_order[a] ^ in_order[b]
            near = np.bitwise_count(differing) <= max_distance
            for earlier in masks[:band]:
                near &= (differing & earlier) != 0  # else that band has given the pair already
            yield order[a[near]], order[b[near]]


def joined(first: Indices, a: Indices, b: Indices) -> Indices:
    """The groups after the members `a[i]` and `b[i]` came together: union-find, all pairs at once.

    `first[i]` is the first member of i's group, before and after.
    """
    first = first.copy()
    while True:
        roots_a, roots_b = first[a], first[b]
        if np.array_equal(roots_a, roots_b):
            return first
        np.minimum.at(first, np.maximum(roots_a, roots_b), np.minimum(roots_a, roots_b))
        while not np.array_equal(first, first[first]):
            first = first[first]


def _first_of_equal(keys: Sequence[str]) -> Indices:
    _, starts, which = np.unique(np.asarray(keys, dtype=np.str_), return_index=True, return_inverse=True)
    return starts[which].astype(np.int64)


def _pairs_in_buckets(keys: NDArray[np.uint64]) -> Iterator[tuple[Indices, Indices]]:
    """Chunks of the positions (i, j), i < j, of equal sorted keys, at most MAX_NEIGHBOURS apart."""
    positions = np.arange(len(keys), dtype=np.int64)
    num_after = np.minimum(np.searchsorted(keys, keys, side="right") - positions - 1, MAX_NEIGHBOURS)
    ends = np.cumsum(num_after)
    start = 0
    while start < len(keys):
        done = ends[start] - num_after[start]
        stop = max(start + 1, int(np.searchsorted(ends, done + PAIRS_PER_CHUNK, side="right")))
        counts = num_after[start:stop]
        a = np.repeat(positions[start:stop], counts)
        # Within the run of each a, b counts up from a + 1.
        runs = np.repeat(ends[start:stop] - counts - done, counts)
        yield a, a + 1 + np.arange(len(a)) - runs
        start = stop


class _Looks:
    """The thumbnails of the candidates, less their mean brightness, at two resolutions."""

    def __init__(self, thumbnails: NDArray[np.uint8], num_pictures: int, max_difference: float) -> None:
        expected = (num_pictures, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        if thumbnails.shape != expected:
            raise ValueError(f"the thumbnails have the shape {thumbnails.shape}; expected {expected}")
        self._fine = thumbnails.reshape(num_pictures, -1)
        self._means = self._fine.mean(axis=1, dtype=np.float32)
        block = THUMBNAIL_SIDE // COARSE_SIDE
        blocks = thumbnails.reshape(num_pictures, COARSE_SIDE, block, COARSE_SIDE, block)
        coarse = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(num_pictures, -1)
        self._coarse = coarse - self._means[:, None]
        grey_range = np.ptp(self._fine, axis=1).astype(np.float32)
        self._limits = np.clip(SHARE_OF_RANGE * grey_range, min(MIN_DIFFERENCE, max_difference), max_difference)

    def may_be_same(self, a: Indices, b: Indices) -> tuple[Indices, Indices]:
        """The pairs whose 8 x 8 blocks differ little enough: block means differ no more than their pixels."""
        difference = np.abs(self._coarse[a] - self._coarse[b]).max(axis=1, initial=0.0)
        near = difference <= self._limit(a, b) + 1e-3  # the sums are rounded in another order
        return a[near], b[near]

    def are_same(self, a: Indices, b: Indices) -> tuple[Indices, Indices]:
        """The pairs that are one picture."""
        difference = np.abs(self._centred(a) - self._centred(b)).max(axis=1, initial=0.0)
        same = difference <= self._limit(a, b)
        return a[same], b[same]

    def _limit(self, a: Indices, b: Indices) -> NDArray[np.float32]:
        limits: NDArray[np.float32] = np.minimum(self._limits[a], self._limits[b])
        return limits

    def _centred(self, pictures: Indices) -> NDArray[np.float32]:
        centred: NDArray[np.float32] = self._fine[pictures] - self._means[pictures, None]
        return centred
