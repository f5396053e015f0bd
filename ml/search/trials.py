"""Trials: one rung carried out, its seconds entered while it runs, and its end entered whatever it was."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ml.search.halving import Run
from ml.search.ledger import Attempt, Ledger, State
from ml.search.objective import Objective
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate

logger = logging.getLogger(__name__)

ENTER_EVERY_S = 0.5
OnAttempt = Callable[[Candidate, Attempt], None]


def carry_out(run: Run, recipe: SearchRecipe, objective: Objective, ledger: Ledger) -> None:
    """Run a rung and enter how it ended: finished with its metric, diverged, out of memory, or failed.

    The ledger is open, by the process that searches; if that ends, so does this one.
    The probe of an encoder is made once: for other candidates of that encoder its metric is entered, at no cost.
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
    except Exception as error:  # whatever befalls one trial, the others go on
        state, reason = _named(error), f"{type(error).__name__}: {error}"
        logger.warning("trial %s, rung %d: %s: %s", candidate.trial, rung, state, reason, exc_info=error)
    ledger.close(number, state, device_seconds=time.perf_counter() - started, metric=metric, reason=reason)


def _probed(candidate: Candidate, ledger: Ledger) -> Attempt | None:
    """The finished probe of the candidate's encoder."""
    encoders = {each.trial: each.encoder for each in ledger.proposals()}
    for attempt in ledger.attempts():
        if attempt.rung == 0 and attempt.metric is not None and encoders[attempt.trial] == candidate.encoder:
            return attempt
    return None


def _named(error: Exception) -> State:
    """The state of a trial that ended with this error."""
    if isinstance(error, FloatingPointError):
        return "diverged"
    # PyTorch has a class of its own on a device only; on the CPU it says so in words.
    is_memory = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return "out_of_memory" if isinstance(error, MemoryError) or is_memory else "failed"


@contextmanager
def _clocked(ledger: Ledger, number: int) -> Iterator[None]:
    """Enter the seconds of a running attempt twice a second; and end this process if the search was killed meanwhile.

    Nobody waits for the trial of a killed search, and the one that is resumed wants the device.
    """
    started, is_over = time.perf_counter(), threading.Event()

    def enter() -> None:
        while not is_over.wait(ENTER_EVERY_S):
            is_running = ledger.spend(number, time.perf_counter() - started)
            if not (is_running and ledger.is_open()):  # a resumed search has closed the attempt, or none is there
                os._exit(1)

    clock = threading.Thread(target=enter, name="search clock", daemon=True)
    clock.start()
    try:
        yield
    finally:
        is_over.set()
        clock.join()


class News:
    """Tells a listener of every attempt that has ended, once."""

    def __init__(self, ledger: Ledger, listener: OnAttempt | None) -> None:
        self._ledger, self._listener = ledger, listener
        self._told: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles all that it is given; a listener may hold what cannot be, and nobody hears it elsewhere."""
        return {**vars(self), "_listener": None}

    def tell(self) -> None:
        """Look for attempts that have ended since the last look."""
        if self._listener is None:
            return
        candidates = {each.trial: each for each in self._ledger.proposals()}
        for attempt in self._ledger.attempts():
            if attempt.state != "running" and attempt.number not in self._told:
                self._told.add(attempt.number)
                self._listener(candidates[attempt.trial], attempt)


def close_lost(ledger: Ledger, trial: str, reason: str) -> None:
    """Enter that a trial's process was killed, where its attempt is still entered as running."""
    for attempt in ledger.attempts():
        if attempt.trial == trial and attempt.state == "running":
            ledger.close(attempt.number, "killed", reason=reason)
