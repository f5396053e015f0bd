"""Pairs of near hashes: those of 64 bits that differ in a few, among tens of millions, without comparing all.

The bits are dealt into blocks. Of `max_distance + k` blocks, a near pair agrees in at least k (pigeonhole), so sorting
by each choice of k blocks brings every near pair together (Manku, Jain, Das Sarma, "Detecting near-duplicates for web
crawling", WWW 2007, section 3). k = 1 takes few sorts and suits few hashes: among 36 million, a key of 13 bits leaves
thousands of strangers beside each hash. k = 3 takes 35 sorts by 27 bits, which leave next to none.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int32]
Places = NDArray[np.int64]
Hashes = NDArray[np.uint64]

HASH_BITS = 64

# Strangers that share a key are what the search costs; these keep them to some tens a hash, were hashes random.
MAX_HASHES_BY_AGREEING = {1: 1 << 17, 2: 1 << 22}
MAX_AGREEING = 3

# A bucket of nearly blank hashes may hold everything; there each hash meets only the next so many in hash order, which
# bounds the work to hashes x keys x MAX_NEIGHBOURS.
MAX_NEIGHBOURS = 1_000
PAIRS_PER_CHUNK = 1 << 16  # some 5 MB


def near_hashes(
    hashes: Hashes, max_distance: int, *, num_agreeing: int | None = None
) -> Iterator[tuple[Indices, Indices]]:
    """Chunks of the pairs of hashes at most `max_distance` bits apart, each pair once.

    Holds some 30 bytes a hash. `num_agreeing`, the k above, follows from the number of hashes unless it is given; it
    changes nothing but the time, as long as no bucket holds more than MAX_NEIGHBOURS.
    """
    k = num_agreeing or _num_agreeing(len(hashes))
    blocks = _blocks(max_distance + k)
    arranged = _arranged(hashes, blocks)
    masks = [_mask(sum(map(len, blocks[:block])), len(blocks[block])) for block in range(len(blocks))]
    for chosen in combinations(range(len(blocks)), k):
        key_masks = [masks[block] for block in chosen]
        unchosen = [masks[block] for block in range(chosen[-1]) if block not in chosen]
        for a, b in pairs_in_runs(*_buckets(arranged, key_masks)):
            differing = arranged[a] ^ arranged[b]
            wanted = np.bitwise_count(differing) <= max_distance
            for mask in key_masks:  # what was sorted by may have been less than the whole key
                wanted &= (differing & mask) == 0
            for mask in unchosen:  # where more blocks agree, the first of them give the pair
                wanted &= (differing & mask) != 0
            yield np.minimum(a, b)[wanted], np.maximum(a, b)[wanted]


def pairs_in_runs(members: Indices, ends: Places) -> Iterator[tuple[Indices, Indices]]:
    """Chunks of the pairs of members of one run, at most MAX_NEIGHBOURS apart in it.

    `ends[i]` is the position after the last of the run that the position i is in.
    """
    positions = np.arange(len(members), dtype=np.int64)
    num_after = np.minimum(ends - positions - 1, MAX_NEIGHBOURS)
    done = np.cumsum(num_after)
    start = 0
    while start < len(members):
        before = int(done[start] - num_after[start])
        stop = max(start + 1, int(np.searchsorted(done, before + PAIRS_PER_CHUNK, side="right")))
        counts = num_after[start:stop]
        a = np.repeat(positions[start:stop], counts)
        # Within the run of each a, b counts up from a + 1.
        runs = np.repeat(done[start:stop] - counts - before, counts)
        yield members[a], members[a + 1 + np.arange(len(a)) - runs]
        start = stop


def equal_runs(keys: Hashes, num_key_bits: int = HASH_BITS) -> tuple[Indices, NDArray[np.bool_]]:
    """The indices of the keys whose top bits another key has too, run after run, ascending in each; where runs start.

    One sort in place of numbers that hold the top bits and, below them, the index: half an argsort's memory, a third
    of its time. So many bits as the index takes are not compared, and no more than `num_key_bits` are.
    """
    num_index_bits = max(1, (len(keys) - 1).bit_length(), HASH_BITS - num_key_bits)
    shift = np.uint64(num_index_bits)
    if num_index_bits >= HASH_BITS:  # a key of no bits: all are one run
        return np.arange(len(keys), dtype=np.int32), np.arange(len(keys)) == 0
    packed = keys >> shift
    packed <<= shift
    packed |= np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    starts = np.ones(len(keys), dtype=np.bool_)
    starts[1:] = (packed[1:] ^ packed[:-1]) >> shift != 0
    alone = starts.copy()
    alone[:-1] &= starts[1:]
    places = np.flatnonzero(~alone)
    members = (packed[places] & np.uint64((1 << num_index_bits) - 1)).astype(np.int32)
    return members, starts[places]


def _num_agreeing(num_hashes: int) -> int:
    for agreeing, limit in MAX_HASHES_BY_AGREEING.items():
        if num_hashes <= limit:
            return agreeing
    return MAX_AGREEING


def _blocks(num_blocks: int) -> list[range]:
    """The bits of each block: every so many, not a run of them, since upper rows of product pictures are all blank."""
    return [range(block, HASH_BITS, num_blocks) for block in range(num_blocks)]


def _mask(first_bit: int, num_bits: int) -> np.uint64:
    """Bits of the arranged hash, counted from the top."""
    return np.uint64(((1 << num_bits) - 1) << (HASH_BITS - first_bit - num_bits))


def _arranged(hashes: Hashes, blocks: list[range]) -> Hashes:
    """The hashes with the bits of a block side by side, the first block on top: distances stay as they are."""
    order = [bit for block in blocks for bit in block]
    place = {bit: HASH_BITS - 1 - rank for rank, bit in enumerate(order)}
    arranged = np.zeros(len(hashes), dtype=np.uint64)
    octets = np.ascontiguousarray(hashes, dtype="<u8").view(np.uint8).reshape(-1, 8)
    for octet in range(8):
        moved = [sum(1 << place[8 * octet + bit] for bit in range(8) if value >> bit & 1) for value in range(256)]
        arranged |= np.array(moved, dtype=np.uint64)[octets[:, octet]]
    return arranged


def _buckets(arranged: Hashes, key_masks: list[np.uint64]) -> tuple[Indices, Places]:
    """The members of all buckets of more than one hash, bucket after bucket, and for each the end of its bucket."""
    keys = np.zeros(len(arranged), dtype=np.uint64)
    taken = 0
    for mask in key_masks:
        part = arranged & mask
        part <<= np.uint64(HASH_BITS - int(mask).bit_length())
        part >>= np.uint64(taken)
        keys |= part
        taken += int(mask).bit_count()
    members, starts = equal_runs(keys, taken)
    del keys
    lengths = np.diff(np.append(np.flatnonzero(starts), len(members)))
    if lengths.max(initial=0) > MAX_NEIGHBOURS:
        bucket = np.cumsum(starts)
        big = np.flatnonzero(np.repeat(lengths > MAX_NEIGHBOURS, lengths))
        members[big] = members[big[np.lexsort((arranged[members[big]], bucket[big]))]]
    return members, np.repeat(np.cumsum(lengths), lengths)
