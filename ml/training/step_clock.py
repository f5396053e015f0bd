"""Seconds of one step on a device, whose work has ended when the clock is read."""

import time
from collections.abc import Callable

import torch

Clock = Callable[[], float]  # returns the time in seconds


def step_seconds(step: Callable[[], object], device: torch.device, clock: Clock = time.perf_counter) -> float:
    """Runs a step and returns the seconds that it took, queued work of a GPU included.

    Args:
        step: What is measured.
        device: The device that it runs on.
        clock: Returns the time in seconds.
    """
    finish(device)
    started = clock()
    step()
    finish(device)
    return clock() - started


def finish(device: torch.device) -> None:
    """Waits for the queued work of a GPU; a CPU has none."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
