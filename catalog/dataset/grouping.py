"""Union-find over whole arrays: joins members into groups, pair by pair.

scipy's `connected_components` is as fast for one batch of pairs, but it cannot add pairs to existing groups at a cost
that depends on the pairs alone, as `near_duplicates` needs: there each chunk of pairs skips those already joined.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Members = NDArray[Any]  # integers


def joined(first: Members, a: Members, b: Members) -> Members:
    """Returns the groups after joining the members `a[i]` and `b[i]`; `first[i]` is the first member of i's group."""
    first = first.copy()
    join(first, a, b)
    return roots_of(first, np.arange(len(first)))


def join(first: Members, a: Members, b: Members) -> None:
    """Joins in place, at a cost that depends on the number of pairs and not of members.

    `first` becomes a forest: `first[i]` is the first member of i's group, or an earlier member on the path to it.
    """
    while len(a):
        a, b = roots_of(first, a), roots_of(first, b)
        apart = a != b
        a, b = a[apart], b[apart]
        np.minimum.at(first, np.maximum(a, b), np.minimum(a, b))


def roots_of(first: Members, members: Members) -> Members:
    """Returns the first members of these members' groups, and shortens the paths to them."""
    roots = first[members]
    while True:
        further = first[roots]
        if np.array_equal(further, roots):
            return roots
        first[members] = roots = further
