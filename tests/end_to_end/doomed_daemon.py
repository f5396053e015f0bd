"""A Dagster daemon that is killed by SIGKILL as soon as it has called a method of its instance so many times.

Usage: python -m tests.end_to_end.doomed_daemon METHOD NUM_CALLS WORKSPACE
"""

import os
import signal
import sys
from typing import Any

import dagster as dg

from tests.dagster_internals import run_command


def doom(method: str, num_calls: int) -> None:
    """Make the process die once the method of `DagsterInstance` has returned for the so-manieth time."""
    called = getattr(dg.DagsterInstance, method)
    left = iter(range(num_calls - 1, -1, -1))

    def deadly(instance: dg.DagsterInstance, *args: Any, **kwargs: Any) -> Any:
        result = called(instance, *args, **kwargs)
        if not next(left):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(dg.DagsterInstance, method, deadly)


if __name__ == "__main__":
    doom(sys.argv[1], int(sys.argv[2]))
    run_command(["--workspace", sys.argv[3]])
