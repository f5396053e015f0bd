"""Pairs of near hashes: 64-bit hashes that differ in a few bits, among tens of millions, without comparing all pairs.

The bits are divided into blocks. Of `max_distance + k` blocks, a near pair agrees in at least k (pigeonhole), so
sorting by each choice of k blocks makes every near pair adjacent (Manku, Jain, Das Sarma, "Detecting near-duplicates
for web crawling", WWW 2007, section 3). k = 1 takes few sorts and suits few hashes: among 36 million, a key of 13 bits
leaves thousands of unrelated hashes in each bucket. k = 3 takes 35 sorts by 27 bits, which leave almost none.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int32]
Positions = NDArray[np.int64]
Hashes = NDArray[np.uint64]

HASH_BITS = 64

# Unrelated hashes that share a key determine the cost; these limits keep them to some tens for random hashes.
MAX_HASHES_BY_AGREEING = {1: 1 << 17, 2: 1 << 22}
MAX_AGREEING = 3

# A bucket of nearly blank hashes may contain all of them; there each hash is compared only with the next ones in hash
# order, which bounds the work to hashes x keys x MAX_NEIGHBORS.
MAX_NEIGHBORS = 1_000
PAIRS_PER_CHUNK = 1 << 16  # some 5 MB


def near_hashes(
    hashes: Hashes, max_distance: int, *, num_agreeing: int | None = None
) -> Iterator[tuple[Indices, Indices]]:
    """Yields chunks of the pairs of hashes at most `max_distance` bits apart, each pair once, as indices.

    Uses some 30 bytes a hash. `num_agreeing`, the k above, follows from the number of hashes by default; it
    affects only the time, as long as no bucket has more than MAX_NEIGHBORS hashes.
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
            for mask in key_masks:  # the sort may have covered less than the whole key
                wanted &= (differing & mask) == 0
            for mask in unchosen:  # if more blocks agree, only the first choice yields the pair
                wanted &= (differing & mask) != 0
            yield np.minimum(a, b)[wanted], np.maximum(a, b)[wanted]


def pairs_in_runs(members: Indices, ends: Positions) -> Iterator[tuple[Indices, Indices]]:
    """Yields chunks of the pairs of members of one run, at most MAX_NEIGHBORS apart in it.

    `ends[i]` is the position after the end of the run that contains position i.
    """
    positions = np.arange(len(members), dtype=np.int64)
    num_after = np.minimum(ends - positions - 1, MAX_NEIGHBORS)
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
    """Returns the indices of keys that share their top bits with another key, grouped in runs, and the runs' starts.

    Indices ascend within a run. One in-place sort of numbers that combine top bits and index takes half the memory and
    a third of the time of an argsort. At most `num_key_bits` bits are compared, less the bits that the index needs.
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
    positions = np.flatnonzero(~alone)
    members = (packed[positions] & np.uint64((1 << num_index_bits) - 1)).astype(np.int32)
    return members, starts[positions]


def _num_agreeing(num_hashes: int) -> int:
    for agreeing, limit in MAX_HASHES_BY_AGREEING.items():
        if num_hashes <= limit:
            return agreeing
    return MAX_AGREEING


def _blocks(num_blocks: int) -> list[range]:
    """Returns the bits of each block, interleaved because the upper rows of product images are often blank."""
    return [range(block, HASH_BITS, num_blocks) for block in range(num_blocks)]


def _mask(first_bit: int, num_bits: int) -> np.uint64:
    """Returns a mask of bits of the rearranged hash, counted from the top."""
    return np.uint64(((1 << num_bits) - 1) << (HASH_BITS - first_bit - num_bits))


def _arranged(hashes: Hashes, blocks: list[range]) -> Hashes:
    """Rearranges the hashes so that the bits of a block are adjacent, first block on top; distances do not change."""
    order = [bit for block in blocks for bit in block]
    position = {bit: HASH_BITS - 1 - rank for rank, bit in enumerate(order)}
    arranged = np.zeros(len(hashes), dtype=np.uint64)
    octets = np.ascontiguousarray(hashes, dtype="<u8").view(np.uint8).reshape(-1, 8)
    for octet in range(8):
        moved = [sum(1 << position[8 * octet + bit] for bit in range(8) if value >> bit & 1) for value in range(256)]
        arranged |= np.array(moved, dtype=np.uint64)[octets[:, octet]]
    return arranged


def _buckets(arranged: Hashes, key_masks: list[np.uint64]) -> tuple[Indices, Positions]:
    """Returns the members of all buckets of more than one hash, grouped by bucket, and the end of each one's bucket."""
    keys = np.zeros(len(arranged), dtype=np.uint64)
    num_bits = 0
    for mask in key_masks:
        part = arranged & mask
        part <<= np.uint64(HASH_BITS - int(mask).bit_length())
        part >>= np.uint64(num_bits)
        keys |= part
        num_bits += int(mask).bit_count()
    members, starts = equal_runs(keys, num_bits)
    del keys
    lengths = np.diff(np.append(np.flatnonzero(starts), len(members)))
    if lengths.max(initial=0) > MAX_NEIGHBORS:
        bucket = np.cumsum(starts)
        big = np.flatnonzero(np.repeat(lengths > MAX_NEIGHBORS, lengths))
        members[big] = members[big[np.lexsort((arranged[members[big]], bucket[big]))]]
    return members, np.repeat(np.cumsum(lengths), lengths)
