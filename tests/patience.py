"""Waiting for what happens elsewhere: limits that only a hanging test reaches, however busy the machine is."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 600.0
POLL_S = 0.1


def until(condition: Callable[[], T | None], wanted: str, poll_s: float = POLL_S) -> T:
    """Returns the condition's value once it is true; fails naming what was waited for."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(poll_s)
    raise AssertionError(f"{wanted} did not come within {PATIENCE_S:.0f} s")
