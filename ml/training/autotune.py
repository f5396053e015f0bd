"""Autotuning: measures a few training steps in each execution and chooses the fastest.

Only measuring decides: on a CPU with AMX, bfloat16 speeds up residual networks and slows down depthwise convolutions.
"""

import copy
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

import torch

from ml.classifiers.classifier import Classifier
from ml.execution import describe_execution, executing
from ml.methods.method import Method
from ml.recipe_types import DEFAULT_EXECUTION, Execution
from ml.training.step_clock import Clock, step_seconds

logger = logging.getLogger(__name__)

NUM_TIMED = 3  # steps per execution, after one warm-up step; the fastest counts
COMPILING_S = 120.0  # cost of compiling; trainings shorter than ten times this are not compiled
MAX_TIME_SHARE = 0.97  # another execution is chosen only if it takes less than this share of the default's time

MAX_TUNED_ON = 64  # images per timed step on a CPU; a GPU needs more to be busy

Trial = TypeVar("Trial", Method, Classifier)
Step = Callable[[Trial, Execution], None]


@dataclass(frozen=True, kw_only=True)
class TunedExecution:
    """The chosen execution, and the measured seconds per step of each candidate by its description."""

    execution: Execution
    step_s: Mapping[str, float]


def autotune(
    module: Trial, step: Step[Trial], device: torch.device, *, num_steps: int, clock: Clock = time.perf_counter
) -> TunedExecution:
    """Chooses the fastest execution of a training step.

    Args:
        module: The module to train. Copies of it are measured; the module itself does not change.
        step: Runs forward and backward of a given module in a given execution.
        device: The device to measure. Executions that fail on it are logged and left out.
        num_steps: Number of steps of the whole training, which decides whether compiling is worthwhile.
        clock: Returns the time in seconds.
    """
    timed: dict[Execution, float] = {}
    for execution in (
        DEFAULT_EXECUTION,
        Execution(channels_last=False),
        Execution(precision="bfloat16"),
        Execution(precision="bfloat16", channels_last=False),
    ):
        seconds = _measure(module, step, device, execution, clock)
        if seconds is not None:
            timed[execution] = seconds
    best = min(timed, key=timed.__getitem__)
    if timed[best] * num_steps > 10 * COMPILING_S:
        compiled = Execution(**{**asdict(best), "compiled": True})
        seconds = _measure(module, step, device, compiled, clock)
        if seconds is not None:
            timed[compiled] = seconds
            best = min(timed, key=timed.__getitem__)
    if DEFAULT_EXECUTION in timed and timed[best] > MAX_TIME_SHARE * timed[DEFAULT_EXECUTION]:
        best = DEFAULT_EXECUTION
    return TunedExecution(execution=best, step_s={describe_execution(each): s for each, s in timed.items()})


def _measure(
    module: Trial, step: Step[Trial], device: torch.device, execution: Execution, clock: Clock
) -> float | None:
    """Returns the seconds of the fastest of some steps, or None if the device does not support the execution."""
    trial = copy.deepcopy(module).to(device).train()
    try:
        with torch.random.fork_rng(), executing(trial, execution):
            return min(_step_s(trial, step, device, execution, clock) for _ in range(NUM_TIMED + 1))
    except (RuntimeError, NotImplementedError) as error:
        logger.warning("this device does not compute in %s: %s", describe_execution(execution), error)
        return None


def _step_s(trial: Trial, step: Step[Trial], device: torch.device, execution: Execution, clock: Clock) -> float:
    seconds = step_seconds(lambda: step(trial, execution), device, clock)
    trial.zero_grad(set_to_none=True)
    return seconds
