"""Runs one rung of a trial, updates its seconds in the ledger meanwhile, and records how it ended."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml.search.halving import RunRung, SearchState
from ml.search.ledger import Attempt, Ledger, Result, State
from ml.search.objective import Objective
from ml.search.pace import OutOfBudget, Pace
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate

logger = logging.getLogger(__name__)

UPDATE_EVERY_S = 0.5
OnAttempt = Callable[[Candidate, Attempt], None]


def run_rung(run: RunRung, recipe: SearchRecipe, objective: Objective, ledger: Ledger) -> None:
    """Run a rung and record how it ended: finished with its metric, stopped by the budget, or failed with the reason.

    The searching process has the ledger open; if it ends, so does this process. An encoder is probed once, successfully
    or not: other candidates of that encoder get its result at no cost. A finished probe is recorded before a few steps
    of a training are timed, so that no failure of these can take it away.
    """
    candidate, rung = run.candidate, run.rung
    epochs = recipe.epochs(candidate, rung)
    known = _probed(candidate, ledger) if rung == 0 else None
    left_s = SearchState.of(recipe, ledger).left_s
    number = ledger.begin(candidate.trial, rung, epochs)
    if known is not None:
        reason = f"as probed for trial {known.trial}" + (f": {known.reason}" if known.metric is None else "")
        ledger.close(number, known.state, Result(metric=known.metric, reason=reason))
        return
    checkpoint = ledger.path.parent / "checkpoints" / f"{candidate.trial}-{rung}.pt"
    pace = Pace(epochs, left_s)
    state, result = _attempted(pace, lambda: _in_time(pace, run, objective, ledger, number, checkpoint))
    ledger.close(number, state, replace(result, device_seconds=pace.elapsed_s, epoch_s=pace.epoch_s))
    if rung == 0 and state == "finished":
        _time_training(candidate, objective, ledger, number)


def _in_time(pace: Pace, run: RunRung, objective: Objective, ledger: Ledger, number: int, checkpoint: Path) -> float:
    with _clocked(ledger, number, pace):
        return objective(run.candidate, run.rung, pace.epochs, checkpoint, pace)


def _attempted(pace: Pace, attempt: Callable[[], float]) -> tuple[State, Result]:
    """Run an attempt and return its state and result; a failed trial must not end the others."""
    try:
        metric = attempt()
    except OutOfBudget as end:
        return "stopped", _stopped(pace, str(end))
    except Exception as error:
        state, reason = _state_of(error), f"{type(error).__name__}: {error}"
        logger.warning("attempt ended as %s: %s", state, reason, exc_info=error)
        return state, Result(reason=reason)
    if pace.is_stopped:
        return "stopped", _stopped(pace, pace.reason())
    if not math.isfinite(metric):
        return "diverged", Result(reason=f"the metric is {metric}")
    return "finished", Result(metric=metric)


def _stopped(pace: Pace, reason: str) -> Result:
    """The result of a stopped rung: that of its best epoch, if one was evaluated."""
    if pace.best is None:
        return Result(reason=reason)
    metric, epoch = pace.best
    return Result(metric=metric, epochs=epoch, reason=reason)


def _time_training(candidate: Candidate, objective: Objective, ledger: Ledger, number: int) -> None:
    """Add to a probe the seconds per epoch of its encoder's trainings, by a few steps."""
    measure = getattr(objective, "epoch_seconds", None)
    if measure is None:
        return
    started, reason = time.perf_counter(), ""
    epoch_s: float | None = None
    try:
        epoch_s = measure(candidate)
    except Exception as error:  # the probe has finished; trainings of this encoder will end with the same reason
        reason = f"training steps could not be timed: {type(error).__name__}: {error}"
        logger.warning("trial %s: %s", candidate.trial, reason, exc_info=error)
    ledger.add_timing(number, time.perf_counter() - started, epoch_s, reason)


def _probed(candidate: Candidate, ledger: Ledger) -> Attempt | None:
    """The first probe of the candidate's encoder that has ended."""
    encoders = {each.trial: each.encoder for each in ledger.proposals()}
    for attempt in ledger.attempts():
        has_ended = attempt.state not in ("running", "interrupted")
        if attempt.rung == 0 and has_ended and encoders[attempt.trial] == candidate.encoder:
            return attempt
    return None


def _state_of(error: Exception) -> State:
    """The state of a trial that ended with this error."""
    if isinstance(error, FloatingPointError):
        return "diverged"
    # PyTorch has an own class for this only on devices; on the CPU only the message identifies it.
    is_memory = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return "out_of_memory" if isinstance(error, MemoryError) or is_memory else "failed"


@contextmanager
def _clocked(ledger: Ledger, number: int, pace: Pace) -> Iterator[None]:
    """Update the seconds of a running attempt twice a second, and end this process if its search was killed.

    The trial of a killed search would only keep the device from the resumed search.
    """
    is_over = threading.Event()

    def update() -> None:
        while not is_over.wait(UPDATE_EVERY_S):
            is_running = ledger.spend(number, pace.elapsed_s, pace.epoch_s)
            if not (is_running and ledger.is_open()):  # a resumed search closed the attempt, or there is none
                os._exit(1)

    clock = threading.Thread(target=update, name="search clock", daemon=True)
    clock.start()
    try:
        yield
    finally:
        is_over.set()
        clock.join()


class AttemptReporter:
    """Calls a listener once for every attempt that has ended."""

    def __init__(self, ledger: Ledger, listener: OnAttempt | None) -> None:
        self._ledger, self._listener = ledger, listener
        self._reported: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Drop the listener: Tune pickles its arguments, and a listener need not be picklable."""
        return {**vars(self), "_listener": None}

    def report(self) -> None:
        """Call the listener for attempts that have ended since the last call."""
        if self._listener is None:
            return
        candidates = {each.trial: each for each in self._ledger.proposals()}
        for attempt in self._ledger.attempts():
            if attempt.state != "running" and attempt.number not in self._reported:
                self._reported.add(attempt.number)
                self._listener(candidates[attempt.trial], attempt)


def close_killed(ledger: Ledger, recipe: SearchRecipe, trial: str, reason: str) -> None:
    """Record that a trial's process was killed.

    If its last attempt is a finished probe, it was killed while training steps were timed: its first training then
    counts as killed, since it would be, too.
    """
    own = [each for each in ledger.attempts() if each.trial == trial]
    if own and own[-1].rung == 0 and own[-1].metric is not None:
        candidate = next(each for each in ledger.proposals() if each.trial == trial)
        number = ledger.begin(trial, 1, recipe.epochs(candidate, 1))
        ledger.close(number, "killed", Result(reason=f"{reason} while its training was timed"))
    for attempt in own:
        if attempt.state == "running":
            ledger.close(attempt.number, "killed", Result(reason=reason))
