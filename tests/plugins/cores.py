"""Gives each worker of pytest-xdist cores of its own, or one that it shares where there are more workers than cores.

PyTorch starts a thread for each core that it may use, and threads that wait for each other spin. Two workers with two
threads each on two cores take several times as long as on a core each. Workers that share a core have one thread each,
and one computes while the other waits for a service.
"""

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Pins this worker, and with it every process that it will start, to its share of the cores."""
    worker = getattr(config, "workerinput", None)
    if worker is None or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    num_each = max(1, len(cores) // worker["workercount"])
    first = int(worker["workerid"].removeprefix("gw")) * num_each
    os.sched_setaffinity(0, [cores[number % len(cores)] for number in range(first, first + num_each)])
