"""Cores: how many threads or processes are worth starting."""

from __future__ import annotations

import os

OVERRIDE = "PYTHON_CPU_COUNT"  # as Python 3.13 reads it


def num_cores() -> int:
    """Returns the number of cores that this process may use, which in a container are fewer than the machine's.

    The environment variable ``PYTHON_CPU_COUNT`` overrides it, as it does `os.process_cpu_count` from Python 3.13 on,
    for processes that share cores without being bound to some. Where neither is known, it is the number of all cores.
    """
    override = os.environ.get(OVERRIDE, "")
    if override.isdecimal() and int(override) > 0:
        return int(override)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
