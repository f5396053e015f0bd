"""Tells each worker of pytest-xdist how many cores are its share, so that none starts more threads than that.

PyTorch starts a thread for each core that it may use, and threads that wait for each other spin: two workers with two
threads each on two cores take several times as long as with one each. Workers are not bound to cores, since what a
worker's services leave idle is then used by the other workers.
"""

import os

import pytest

from catalog.storage.cores import OVERRIDE, num_cores


def pytest_configure(config: pytest.Config) -> None:
    """Sets the number of cores of this worker, and of every process that it will start."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        os.environ[OVERRIDE] = str(max(1, num_cores() // worker["workercount"]))
