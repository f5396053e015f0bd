"""Duplicates: pictures that are one picture, byte for byte or after recompression, resizing or brightening.

Three steps, each on what the one before leaves: equal SHA-256; dhashes at most four bits apart; and a look at the
pixels, so that look-alike products do not chain into one giant group. Made for tens of millions of pictures: keys and
indices are compact, and what grows with the catalogue beyond them lies on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.grouping import join, roots_of
from catalog.hash_pairs import Indices, Places, equal_runs, near_hashes, pairs_in_runs
from catalog.looks import LOOKS_PER_CHUNK, MAX_DIFFERENCE, Looks

Keys = NDArray[np.uint64]

MAX_DISTANCE = 4
# Of all pictures of one hash, so many meet those of a near hash: look-alikes come in thousands, copies do not.
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
    """For every picture the index of its group's first member, (n,); a picture without a twin has its own.

    `thumbnails` takes ascending indices of pictures whose hash comes near another's, each once, a piece after another,
    and returns (k, 32, 32) grey. Given first, named first: pictures appended later never rename a group, though they
    may join two.
    """
    if len(sha256) != len(dhash):
        raise ValueError(f"{len(sha256)} SHA-256 for {len(dhash)} dhashes; give one of each a picture")
    first = equal_pictures(picture_keys(sha256))
    return near_duplicates(first, dhash, thumbnails, max_distance=max_distance, max_difference=max_difference)


def picture_keys(sha256: pl.Series) -> Keys:
    """The first 16 bytes of each SHA-256 in hexadecimal digits, as two numbers, (n, 2); too many to meet by chance."""
    keys = np.empty((len(sha256), 2), dtype=np.uint64)
    for start in range(0, len(sha256), KEYS_PER_CHUNK):
        digits = sha256.slice(start, KEYS_PER_CHUNK).to_frame("digits")
        octets = pl.col("digits").str.head(32).str.decode("hex", strict=False)
        is_wrong = (octets.bin.size() != 16).fill_null(value=True)
        wrong = digits.filter(is_wrong)["digits"]
        if len(wrong):
            raise ValueError(f"{wrong[0]!r} is no SHA-256 in hexadecimal digits; outcomes of ok downloads have one")
        joined = b"".join(digits.select(octets)["digits"])
        keys[start : start + len(digits)] = np.frombuffer(joined, dtype=">u8").reshape(-1, 2)
    return keys


def equal_pictures(keys: Keys) -> Indices:
    """For every picture the index of the first of the same key, (n,)."""
    first = np.arange(len(keys), dtype=np.int32)
    # Few share the beginning of another's key; those alone are compared in full.
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
    """The groups of `equal_pictures` after those came together whose pictures are near, as `group_duplicates` says."""
    distinct = np.flatnonzero(first == np.arange(len(first), dtype=np.int32)).astype(np.int32)
    hashes = np.asarray(dhash, dtype=np.uint64)[distinct]
    members = distinct[_near_another(hashes, max_distance)]
    del distinct, hashes
    if len(members) == 0:
        return first
    looks = Looks(lambda start, stop: thumbnails(members[start:stop]), len(members), max_difference)
    group = np.arange(len(members), dtype=np.int32)
    for a, b in _near_pictures(np.asarray(dhash, dtype=np.uint64)[members], max_distance):
        for start in range(0, len(a), LOOKS_PER_CHUNK):
            some_a, some_b = a[start : start + LOOKS_PER_CHUNK], b[start : start + LOOKS_PER_CHUNK]
            is_left = roots_of(group, some_a) != roots_of(group, some_b)  # the others need no look any more
            for looks_same in (looks.may_be_same, looks.are_same):
                some_a, some_b = some_a[is_left], some_b[is_left]
                is_left = looks_same(some_a, some_b)
            join(group, some_a[is_left], some_b[is_left])
    named = first.copy()
    named[members] = members[roots_of(group, np.arange(len(group)))]
    return named[first]  # equal pictures follow the first of them


def _near_another(hashes: Keys, max_distance: int) -> NDArray[np.bool_]:
    """Which hashes have another one near, (n,)."""
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


def _near_pictures(hashes: Keys, max_distance: int) -> Iterator[tuple[Indices, Indices]]:
    """Chunks of the pairs of pictures whose hashes are near: those of one hash, then those of two."""
    order = np.argsort(hashes, kind="stable").astype(np.int32)
    in_order = hashes[order]
    starts = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1]))
    lengths = np.diff(np.append(starts, len(order)))
    yield from pairs_in_runs(order, np.repeat(starts + lengths, lengths))
    lengths = np.minimum(lengths, MAX_PER_HASH)
    for a, b in near_hashes(in_order[starts], max_distance):
        # A hundred pairs of hashes make up to 6.5 million pairs of pictures.
        for cut in range(0, len(a), 100):
            yield _products(order, starts, lengths, a[cut : cut + 100], b[cut : cut + 100])


def _products(order: Indices, starts: Places, lengths: Places, a: Indices, b: Indices) -> tuple[Indices, Indices]:
    """Every picture of the runs `a[i]` with every one of the runs `b[i]`."""
    num_pairs = lengths[a] * lengths[b]
    which = np.repeat(np.arange(len(a)), num_pairs)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(num_pairs) - num_pairs, num_pairs)
    return order[starts[a][which] + rank // lengths[b][which]], order[starts[b][which] + rank % lengths[b][which]]
