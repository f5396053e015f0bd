"""Autotune: how this device trains a network fastest, found by timing a few steps of each way.

Nothing but measuring tells: on a CPU with AMX, bfloat16 speeds residual networks up and slows depthwise ones down.
"""

import copy
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

import torch

from ml.classifiers.classifier import Classifier
from ml.methods.method import Method
from ml.recipe_types import PLAIN, Execution
from ml.training.execution import described, executing

logger = logging.getLogger(__name__)

NUM_TIMED = 3  # steps of each way, after one that warms up; the fastest counts
COMPILING_S = 120.0  # what compiling costs before the first step; shorter trainings than ten times that go without
MAX_FASTER = 0.97  # another way has to take less than this share of the plain one's time

MAX_TUNED_ON = 64  # pictures of a step that is timed on a CPU; so few would not fill another device

Trial = TypeVar("Trial", Method, Classifier)
Step = Callable[[Trial, Execution], None]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The way chosen, and the seconds a step took each way that was timed."""

    execution: Execution
    step_s: Mapping[str, float]


def autotune(module: Trial, step: Step[Trial], device: torch.device, *, num_steps: int) -> Verdict:
    """The fastest way to run `step`, forward and backward on some pictures, which is to be run `num_steps` times.

    The module stays as it is: copies are timed. A way that the device refuses is told of and left out.
    """
    timed: dict[Execution, float] = {}
    for execution in (
        PLAIN,
        Execution(channels_last=False),
        Execution(precision="bfloat16"),
        Execution(precision="bfloat16", channels_last=False),
    ):
        seconds = _timed(module, step, device, execution)
        if seconds is not None:
            timed[execution] = seconds
    best = min(timed, key=timed.__getitem__)
    if timed[best] * num_steps > 10 * COMPILING_S:
        compiled = Execution(**{**asdict(best), "compiled": True})
        seconds = _timed(module, step, device, compiled)
        if seconds is not None:
            timed[compiled] = seconds
            best = min(timed, key=timed.__getitem__)
    if PLAIN in timed and timed[best] > MAX_FASTER * timed[PLAIN]:
        best = PLAIN
    return Verdict(execution=best, step_s={described(each): seconds for each, seconds in timed.items()})


def _timed(module: Trial, step: Step[Trial], device: torch.device, execution: Execution) -> float | None:
    trial = copy.deepcopy(module).to(device).train()
    try:
        with torch.random.fork_rng(), executing(trial, execution):
            return min(_step_s(trial, step, device, execution) for _ in range(NUM_TIMED + 1))
    except (RuntimeError, NotImplementedError) as error:
        logger.warning("this device does not compute in %s: %s", described(execution), error)
        return None


def _step_s(trial: Trial, step: Step[Trial], device: torch.device, execution: Execution) -> float:
    started = time.perf_counter()
    step(trial, execution)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    trial.zero_grad(set_to_none=True)
    return time.perf_counter() - started
