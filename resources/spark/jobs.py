"""Spark job monitoring: reports progress, detects a cluster without executors, and reduces errors to one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from pyspark import SparkContext

LOST_AFTER_S = 60.0  # a cluster without an executor for so long counts as lost
POLL_EVERY_S = 1.0
REPORT_EVERY_S = 5.0


class SparkJobError(RuntimeError):
    """Spark gave up a job; the message has the cause in one line, and the way out."""


@contextmanager
def watched(
    context: SparkContext, name: str, *, lost_after_s: float, on_report: Callable[[str], None]
) -> Iterator[None]:
    """Monitors the jobs that a block runs: reports every few seconds how many of their tasks are done.

    Raises SparkJobError where one fails, or where the cluster has had no executor for `lost_after_s`: Spark alone would
    wait for one for ever.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    group = f"{name} {uuid4().hex[:8]}"
    monitor = _JobMonitor(context, group, lost_after_s, on_report)
    context.setJobGroup(group, name, interruptOnCancel=True)
    monitor.start()
    try:
        yield
    except (PySparkException, Py4JError) as error:
        reason = monitor.problem or _cause(error)
        raise SparkJobError(f"{name}: {reason}; what is finished is kept: correct it and run this again") from error
    finally:
        monitor.stop()


class _JobMonitor(threading.Thread):
    def __init__(
        self, context: SparkContext, group: str, lost_after_s: float, on_report: Callable[[str], None]
    ) -> None:
        super().__init__(name=f"monitor of {group}", daemon=True)
        self._context, self._group = context, group
        self._lost_after_s, self._on_report = lost_after_s, on_report
        self._stopped = threading.Event()
        self._is_local = str(context.master).startswith("local")
        self.problem = ""

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        alive_at = reported_at = time.monotonic()
        reported = ""
        while not self._stopped.wait(POLL_EVERY_S):
            now = time.monotonic()
            if self._is_local or self._num_executors():
                alive_at = now
            elif now - alive_at > self._lost_after_s:
                self.problem = f"{self._context.master} has had no executor for {self._lost_after_s:.0f} s"
                self._context.cancelJobGroup(self._group)
                return
            if now - reported_at >= REPORT_EVERY_S and (report := self._report()) != reported:
                self._on_report(report)
                reported, reported_at = report, now

    def _num_executors(self) -> int:
        # The driver is counted, too.
        return int(self._context._jsc.sc().getExecutorMemoryStatus().size()) - 1

    def _report(self) -> str:
        tracker = self._context.statusTracker()
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        done = [f"{stage.numCompletedTasks} of {stage.numTasks} tasks" for stage in stages if stage is not None]
        return ", ".join(done) or "waiting"


def _cause(error: Exception) -> str:
    """The last line of Spark's error message that names an error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if not line.startswith(("at ", "File ", "Driver stacktrace", "..."))]
    return named[-1] if named else type(error).__name__
