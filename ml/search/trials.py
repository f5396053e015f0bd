"""Runs one rung of a trial, updates its seconds in the ledger meanwhile, and records how it ended."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ml.search.halving import RunRung
from ml.search.ledger import Attempt, Ledger, State
from ml.search.objective import Objective
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate

logger = logging.getLogger(__name__)

UPDATE_EVERY_S = 0.5
OnAttempt = Callable[[Candidate, Attempt], None]


def run_rung(run: RunRung, recipe: SearchRecipe, objective: Objective, ledger: Ledger) -> None:
    """Run a rung and record how it ended: finished with its metric, diverged, out of memory, or failed.

    The searching process has the ledger open; if it ends, so does this process. An encoder is probed once: other
    candidates of that encoder get its metric at no cost.
    """
    candidate, rung = run.candidate, run.rung
    epochs = recipe.epochs(candidate, rung)
    known = _probed(candidate, ledger) if rung == 0 else None
    number = ledger.begin(candidate.trial, rung, epochs)
    if known is not None:
        ledger.close(number, "finished", metric=known.metric, reason=f"as probed for trial {known.trial}")
        return
    checkpoint = ledger.path.parent / "checkpoints" / f"{candidate.trial}-{rung}.pt"
    started = time.perf_counter()
    state: State = "failed"
    metric, reason = None, ""
    try:
        with _clocked(ledger, number):
            metric = objective(candidate, rung, epochs, checkpoint)
        state = "finished"
        if not math.isfinite(metric):
            state, metric, reason = "diverged", None, f"the metric is {metric}"
    except Exception as error:  # a failed trial must not end the others
        state, reason = _state_of(error), f"{type(error).__name__}: {error}"
        logger.warning("trial %s, rung %d: %s: %s", candidate.trial, rung, state, reason, exc_info=error)
    ledger.close(number, state, device_seconds=time.perf_counter() - started, metric=metric, reason=reason)


def _probed(candidate: Candidate, ledger: Ledger) -> Attempt | None:
    """The finished probe of the candidate's encoder."""
    encoders = {each.trial: each.encoder for each in ledger.proposals()}
    for attempt in ledger.attempts():
        if attempt.rung == 0 and attempt.metric is not None and encoders[attempt.trial] == candidate.encoder:
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
def _clocked(ledger: Ledger, number: int) -> Iterator[None]:
    """Update the seconds of a running attempt twice a second, and end this process if its search was killed.

    The trial of a killed search would only keep the device from the resumed search.
    """
    started, is_over = time.perf_counter(), threading.Event()

    def update() -> None:
        while not is_over.wait(UPDATE_EVERY_S):
            is_running = ledger.spend(number, time.perf_counter() - started)
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


def close_killed(ledger: Ledger, trial: str, reason: str) -> None:
    """Record that a trial's process was killed, if its attempt is still running in the ledger."""
    for attempt in ledger.attempts():
        if attempt.trial == trial and attempt.state == "running":
            ledger.close(attempt.number, "killed", reason=reason)
