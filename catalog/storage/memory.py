"""Memory: the bytes that this process and those that it starts may use together."""

from __future__ import annotations

import os

from catalog.storage.control_groups import ControlGroups

UNKNOWN_BYTES = 8 << 30  # assumed where the system cannot tell


def usable_memory_bytes(groups: ControlGroups = ControlGroups()) -> int:  # noqa: B008 frozen
    """Returns the machine's memory, or the limit of the container if that is lower."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        machine = UNKNOWN_BYTES
    limit = groups.memory_limit_bytes()
    return machine if limit is None else min(machine, limit)
