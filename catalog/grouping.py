"""Grouping: members that belong together, pair after pair; union-find, whole arrays at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Members = NDArray[Any]  # integers


def joined(first: Members, a: Members, b: Members) -> Members:
    """The groups after the members `a[i]` and `b[i]` came together; `first[i]` is the first member of i's group."""
    first = first.copy()
    join(first, a, b)
    return roots_of(first, np.arange(len(first)))


def join(first: Members, a: Members, b: Members) -> None:
    """Join in place, which costs the pairs and not the members.

    `first` becomes a forest: `first[i]` is i's group's first member or comes before i on the way there.
    """
    while len(a):
        a, b = roots_of(first, a), roots_of(first, b)
        apart = a != b
        a, b = a[apart], b[apart]
        np.minimum.at(first, np.maximum(a, b), np.minimum(a, b))


def roots_of(first: Members, members: Members) -> Members:
    """The first members of these members' groups; ways that were walked are shorter afterwards."""
    roots = first[members]
    while True:
        further = first[roots]
        if np.array_equal(further, roots):
            first[members] = roots
            return roots
        roots = further
