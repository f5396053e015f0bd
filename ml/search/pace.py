"""Pace of a running rung: measures its steps, and ends it where it would exceed the budget; its best epoch is kept."""

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

# A running rung may exceed the seconds that were left when it began by this share of them: a rung that is a little
# slower than predicted is worth more finished than cut. The step in progress and one evaluation come on top.
TOLERANCE = 0.1
MIN_STEPS = 8  # before an epoch is predicted; the first steps allocate, compile and fill caches


class OutOfBudget(Exception):  # noqa: N818 a decision, not an error
    """Ends a rung in the middle of an epoch."""


class Pace:
    """The steps and evaluated epochs of one attempt at a rung.

    Args:
        epochs: Epochs of the rung.
        left_s: Device seconds of the search's budget that were left when the attempt began; may be infinite.
        clock: Returns seconds.
    """

    def __init__(self, epochs: int, left_s: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.epochs, self.left_s = epochs, left_s
        self.is_stopped = False
        self.best: tuple[float, int] | None = None  # metric of the best evaluated epoch, and its number, from 1
        self._clock, self._started = clock, clock()
        self._share_before = 0.0  # of the rung, done by an earlier attempt
        self._first: tuple[float, float] | None = None  # share and seconds after the first step
        self._share = 0.0
        self._num_steps = 0

    @property
    def elapsed_s(self) -> float:
        """Device seconds of the attempt so far."""
        return self._clock() - self._started

    @property
    def epoch_s(self) -> float | None:
        """Mean device seconds of an epoch in this attempt, overhead included; None before the first step."""
        done = self.epochs * (self._share - self._share_before)
        return self.elapsed_s / done if done > 0 else None

    def on_step(self, num_steps: int, num_total: int) -> None:
        """Records that `num_steps` of the rung's `num_total` training steps are done.

        Raises:
            OutOfBudget: The budget is used up, or no epoch can end within it.
        """
        elapsed_s, share = self.elapsed_s, num_steps / num_total
        if self._first is None:
            self._share_before = (num_steps - 1) / num_total
            self._first = (share, elapsed_s)
        self._share, self._num_steps = share, self._num_steps + 1
        if elapsed_s > self._limit_s and num_steps < num_total:  # after the last step only the evaluation is missing
            self._end(f"the {self.left_s:.1f} s left are used up in epoch {math.ceil(self.epochs * share)}")
        if self.best is None and self._num_steps >= MIN_STEPS:
            epoch = math.ceil(self.epochs * share)
            end_s = elapsed_s + self._next_epoch_s(elapsed_s) * (epoch - self.epochs * share)
            if end_s > self._limit_s:
                self._end(f"epoch {epoch} would end after {end_s:.1f} s, and {self.left_s:.1f} s are left")

    def on_epoch(self, evaluate: Callable[[], float]) -> None:
        """Records the end of an epoch; where the whole rung will not fit, evaluates the epoch and may stop the rung.

        Args:
            evaluate: Returns the validation metric of the current weights.
        """
        epoch, elapsed_s = round(self.epochs * self._share), self.elapsed_s
        if epoch >= self.epochs or elapsed_s + (self.epochs - epoch) * self._next_epoch_s(elapsed_s) <= self.left_s:
            return
        metric = evaluate()
        if math.isfinite(metric) and (self.best is None or metric > self.best[0]):
            self.best = (metric, epoch)
        elapsed_s = self.elapsed_s
        self.is_stopped = elapsed_s + self._next_epoch_s(elapsed_s) > self._limit_s

    def reason(self) -> str:
        """Returns why the rung was stopped after an epoch, and which epoch was kept."""
        kept = "" if self.best is None else f"; epoch {self.best[1]} was the best"
        return f"stopped: no further of its {self.epochs} epochs fits the {self.left_s:.1f} s left{kept}"

    @property
    def _limit_s(self) -> float:
        return self.left_s * (1 + TOLERANCE)

    def _next_epoch_s(self, elapsed_s: float) -> float:
        """The device seconds of an epoch, without what precedes the first step if more than that was measured."""
        assert self._first is not None  # noqa: S101 a step precedes
        first_share, first_s = self._first
        if self._share > first_share:
            return (elapsed_s - first_s) / (self._share - first_share) / self.epochs
        return elapsed_s / (self._share - self._share_before) / self.epochs

    def _end(self, reason: str) -> None:
        self.is_stopped = True
        kept = "no epoch had ended" if self.best is None else f"epoch {self.best[1]} was the best"
        raise OutOfBudget(f"stopped: {reason}; {kept}")


class PaceStopping:
    """Ends a training by its pace; see `ml.training.stopping.Stopping`."""

    def __init__(self, pace: Pace, evaluate: "Callable[[Any], float]") -> None:
        self._pace, self._evaluate = pace, evaluate

    @property
    def should_stop(self) -> bool:
        """True if the pace has stopped the rung."""
        return self._pace.is_stopped

    def update(self, metrics: Mapping[str, float], module: "nn.Module") -> None:
        """Records the end of an epoch."""
        self._pace.on_epoch(lambda: self._evaluate(module))

    def restore_best(self, module: "nn.Module") -> None:
        """Keeps the weights: only the metric of the best epoch is used."""

    def state_dict(self) -> dict[str, Any]:
        """Returns the state for a checkpoint."""
        return {"best": self._pace.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the state of a checkpoint."""
        if state.get("best") is not None:
            metric, epoch = state["best"]
            self._pace.best = (float(metric), int(epoch))
