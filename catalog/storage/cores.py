"""Cores: how many threads or processes are worth starting."""

from __future__ import annotations

import os


def num_cores() -> int:
    """Returns the number of cores that this process may use, which in a container are fewer than the machine's.

    Where the system cannot tell, it is the number of all cores.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
