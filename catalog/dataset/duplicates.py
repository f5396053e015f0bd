"""Duplicates: groups of images that are equal byte for byte, or after recompression, resizing or brightening.

Three steps, each on the candidates of the one before: equal SHA-256; dhashes at most four bits apart; and a comparison
of pixels, so that look-alike products do not chain into one giant group. It handles tens of millions of images: keys
and indices are compact, and everything else that grows with the catalog is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.dataset.grouping import join, roots_of
from catalog.dataset.hash_pairs import Indices, Positions, equal_runs, near_hashes, pairs_in_runs
from catalog.dataset.thumbnails import COMPARISONS_PER_CHUNK, MAX_DIFFERENCE, ThumbnailComparison

Keys = NDArray[np.uint64]

MAX_DISTANCE = 4
# The images of one hash that are compared with those of a near hash: look-alikes come in thousands, copies do not.
MAX_PER_HASH = 256
KEYS_PER_CHUNK = 1 << 20


def group_duplicates(
    sha256: pl.Series,
    dhash: Keys,
    thumbnails: Callable[[Indices], NDArray[np.uint8]],
    *,
    max_distance: int = MAX_DISTANCE,
    max_difference: float = MAX_DIFFERENCE,
) -> Indices:
    """Returns for every image the index of its group's first member, (n,); its own for an image without a duplicate.

    Groups are named after their earliest member: images appended later never rename a group, though they may join two.

    Args:
        sha256: SHA-256 of each image in hexadecimal digits, (n,).
        dhash: difference hash of each image, (n,).
        thumbnails: takes ascending indices of images whose hash is near another's, in chunks and each index once, and
            returns their gray thumbnails, (k, 32, 32).
        max_distance: largest number of differing bits of near hashes.
        max_difference: largest difference of a pixel of equal images (`catalog.dataset.thumbnails`).

    Raises:
        ValueError: the lengths differ, a SHA-256 is malformed, or thumbnails have another shape.
    """
    if len(sha256) != len(dhash):
        raise ValueError(f"{len(sha256)} SHA-256 for {len(dhash)} dhashes; pass one of each per image")
    first = equal_images(image_keys(sha256))
    return near_duplicates(first, dhash, thumbnails, max_distance=max_distance, max_difference=max_difference)


def image_keys(sha256: pl.Series) -> Keys:
    """Returns the first 16 bytes of each hexadecimal SHA-256 as two numbers, (n, 2); enough to rule out collisions."""
    keys = np.empty((len(sha256), 2), dtype=np.uint64)
    for start in range(0, len(sha256), KEYS_PER_CHUNK):
        digits = sha256.slice(start, KEYS_PER_CHUNK).to_frame("digits")
        octets = pl.col("digits").str.head(32).str.decode("hex", strict=False)
        is_wrong = (octets.bin.size() != 16).fill_null(value=True)
        wrong = digits.filter(is_wrong)["digits"]
        if len(wrong):
            raise ValueError(f"{wrong[0]!r} is not a SHA-256 in hexadecimal digits; outcomes with status ok have one")
        joined = b"".join(digits.select(octets)["digits"])
        keys[start : start + len(digits)] = np.frombuffer(joined, dtype=">u8").reshape(-1, 2)
    return keys


def equal_images(keys: Keys) -> Indices:
    """Returns for every image the index of the first one with the same key, (n,)."""
    first = np.arange(len(keys), dtype=np.int32)
    # Only the few keys with equal first halves are compared in full.
    members, _ = equal_runs(np.ascontiguousarray(keys[:, 0]))
    members = members[np.lexsort((members, keys[members, 1], keys[members, 0]))]
    starts = np.ones(len(members), dtype=np.bool_)
    starts[1:] = (keys[members[1:]] != keys[members[:-1]]).any(axis=1)
    if len(members):
        first[members] = members[np.flatnonzero(starts)[np.cumsum(starts) - 1]]
    return first


def near_duplicates(
    first: Indices,
    dhash: Keys,
    thumbnails: Callable[[Indices], NDArray[np.uint8]],
    *,
    max_distance: int = MAX_DISTANCE,
    max_difference: float = MAX_DIFFERENCE,
) -> Indices:
    """Joins the groups of `equal_images` whose images are near; other arguments are those of `group_duplicates`."""
    distinct = np.flatnonzero(first == np.arange(len(first), dtype=np.int32)).astype(np.int32)
    hashes = np.asarray(dhash, dtype=np.uint64)[distinct]
    members = distinct[_near_another(hashes, max_distance)]
    del distinct, hashes
    if len(members) == 0:
        return first
    comparison = ThumbnailComparison(lambda start, stop: thumbnails(members[start:stop]), len(members), max_difference)
    group = np.arange(len(members), dtype=np.int32)
    for a, b in _near_images(np.asarray(dhash, dtype=np.uint64)[members], max_distance):
        for start in range(0, len(a), COMPARISONS_PER_CHUNK):
            some_a, some_b = a[start : start + COMPARISONS_PER_CHUNK], b[start : start + COMPARISONS_PER_CHUNK]
            is_left = roots_of(group, some_a) != roots_of(group, some_b)  # the others need no comparison
            for is_same in (comparison.may_be_same, comparison.are_same):
                some_a, some_b = some_a[is_left], some_b[is_left]
                is_left = is_same(some_a, some_b)
            join(group, some_a[is_left], some_b[is_left])
    named = first.copy()
    named[members] = members[roots_of(group, np.arange(len(group)))]
    return named[first]  # equal images follow the first of them


def _near_another(hashes: Keys, max_distance: int) -> NDArray[np.bool_]:
    """Returns True for every hash that has another one near, (n,)."""
    ordered = np.sort(hashes)
    starts = np.ones(len(ordered), dtype=np.bool_)
    starts[1:] = ordered[1:] != ordered[:-1]
    different = ordered[starts]
    is_near = ~np.append(starts[1:], True)[: len(starts)][starts]  # another one of the same hash follows
    del ordered, starts
    for a, b in near_hashes(different, max_distance):
        is_near[a] = is_near[b] = True
    found = np.empty(len(hashes), dtype=np.bool_)
    for start in range(0, len(hashes), KEYS_PER_CHUNK):
        chunk = slice(start, start + KEYS_PER_CHUNK)
        found[chunk] = is_near[np.searchsorted(different, hashes[chunk])]
    return found


def _near_images(hashes: Keys, max_distance: int) -> Iterator[tuple[Indices, Indices]]:
    """Yields chunks of pairs of images with near hashes: first those of equal hashes, then the others."""
    order = np.argsort(hashes, kind="stable").astype(np.int32)
    in_order = hashes[order]
    starts = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1]))
    lengths = np.diff(np.append(starts, len(order)))
    yield from pairs_in_runs(order, np.repeat(starts + lengths, lengths))
    lengths = np.minimum(lengths, MAX_PER_HASH)
    for a, b in near_hashes(in_order[starts], max_distance):
        # A hundred pairs of hashes make up to 6.5 million pairs of images.
        for cut in range(0, len(a), 100):
            yield _products(order, starts, lengths, a[cut : cut + 100], b[cut : cut + 100])


def _products(order: Indices, starts: Positions, lengths: Positions, a: Indices, b: Indices) -> tuple[Indices, Indices]:
    """Pairs every image of the runs `a[i]` with every image of the runs `b[i]`."""
    num_pairs = lengths[a] * lengths[b]
    which = np.repeat(np.arange(len(a)), num_pairs)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(num_pairs) - num_pairs, num_pairs)
    return order[starts[a][which] + rank // lengths[b][which]], order[starts[b][which] + rank % lengths[b][which]]
