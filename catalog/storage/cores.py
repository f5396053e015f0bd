"""Cores: how many threads or processes are worth starting."""

from __future__ import annotations

import math
import os

from catalog.storage.control_groups import ControlGroups

OVERRIDE = "PYTHON_CPU_COUNT"  # as Python 3.13 reads it


def num_cores(groups: ControlGroups = ControlGroups()) -> int:  # noqa: B008 frozen
    """Returns the number of cores that this process may use, which in a container are fewer than the machine's.

    A container's quota of processor time counts, rounded up: more threads than that would be stopped in each period.
    The environment variable ``PYTHON_CPU_COUNT`` overrides it, as it does `os.process_cpu_count` from Python 3.13 on,
    for processes that share cores without being bound to some. Where neither is known, it is the number of all cores.
    """
    override = os.environ.get(OVERRIDE, "")
    if override.isdecimal() and int(override) > 0:
        return int(override)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = groups.cpu_quota()
    return usable if quota is None else min(usable, max(1, math.ceil(quota)))
