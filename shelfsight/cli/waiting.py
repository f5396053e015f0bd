"""Deliveries and feeds that wait: the stage that each waits for, the reason, and what to do."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg
import polars as pl

from catalog.images.statuses import RETRYABLE
from ml.deployment.deployment import POINTER
from resources.settings import Settings
from resources.store import Store
from shelfsight.cli.automation_state import CATEGORIES, FEEDS, FIRST_CHAMPION, START, Automation
from shelfsight.cli.run_history import cause_of, newest_run

TABLES = {"parse": "products", "download": "outcomes", "categorize": "universal_catalog"}  # stage -> what it writes
RETRY = {
    "parse": "then run the job 'ingest' for it, or `shelfsight run`",
    "download": "then run the job 'ingest' for it, or `shelfsight run`",
    "categorize": "then run the job 'categorize' for it, or `shelfsight run`",
}
NUM_STATUSES = 3  # of a failed download that are listed
WAIT = "wait; `shelfsight status` shows the progress"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A delivery, or a feed that is none yet: the stage that it waits for, why, and what to do."""

    delivery: str
    stage: str  # register, or a key of `TABLES`
    reason: str
    action: str

    def __str__(self) -> str:
        return f"{self.delivery} waits for {self.stage}: {self.reason}; {self.action}"


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """Explains why deliveries of a store wait; `instance` is None where no run was ever made."""

    store: Store
    settings: Settings
    instance: dg.DagsterInstance | None
    automation: Automation

    def waiting(self, deliveries: Sequence[str]) -> Iterator[Waiting]:
        """Yields every delivery that is not in the universal catalog, or whose newest download failed."""
        for delivery in deliveries:
            stage = next((stage for stage, table in TABLES.items() if not self.store.holds(table, delivery)), None)
            if stage in (None, "categorize") and self._has_failed(delivery, "download"):
                stage = "download"
            if stage is not None:
                reason, action = self._reason(delivery, stage)
                yield Waiting(delivery=delivery, stage=stage, reason=reason, action=action)

    def _has_failed(self, delivery: str, stage: str) -> bool:
        run = None if self.instance is None else newest_run(self.instance, delivery, TABLES[stage])
        return run is not None and run.status is dg.DagsterRunStatus.FAILURE

    def _reason(self, delivery: str, stage: str) -> tuple[str, str]:
        """Returns why a delivery waits for a stage, and what to do."""
        run = None if self.instance is None else newest_run(self.instance, delivery, TABLES[stage])
        if run is not None:
            return self._reason_of_run(delivery, stage, run)
        if stage == "categorize" and not self.store.path.joinpath(*POINTER).exists():
            return self._no_deployment()
        if stage == "download" and self.settings.on_arrival == "parse":
            return (
                "a person starts downloads, since on_arrival is 'parse'",
                "run the job 'probe' for a forecast, then 'ingest' for it",
            )
        sensor = CATEGORIES if stage == "categorize" else FEEDS
        requested = f"no run of it is requested yet; {sensor} does so"
        return self.automation.blocker(sensor) or (requested, WAIT)

    def _reason_of_run(self, delivery: str, stage: str, run: dg.DagsterRun) -> tuple[str, str]:
        assert self.instance is not None  # noqa: S101 for the type checker: it has the run
        status = run.status
        if status is dg.DagsterRunStatus.FAILURE:
            return self._failure(delivery, stage, run)
        if status in (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.CANCELING):
            return f"its run {run.run_id[:8]} was canceled", RETRY[stage].removeprefix("then ")
        if status is dg.DagsterRunStatus.SUCCESS:
            lost = f"its run {run.run_id[:8]} succeeded, but the store has no {TABLES[stage]} of it"
            return lost, RETRY[stage].removeprefix("then ")
        if status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED):
            return f"its run {run.run_id[:8]} is in progress", WAIT
        queued = f"its run {run.run_id[:8]} is queued"
        return (queued, WAIT) if self.automation.is_daemon_running else (f"{queued}, and no daemon is running", START)

    def _failure(self, delivery: str, stage: str, run: dg.DagsterRun) -> tuple[str, str]:
        """Returns the cause of a failed run; of a download also the statuses of the links without an image."""
        assert self.instance is not None  # noqa: S101 for the type checker: it has the run
        cause = cause_of(self.instance, run)
        if stage != "download" or not self.store.holds("outcomes", delivery):
            return f"its {stage} failed: {cause}", f"correct that, {RETRY[stage]}"
        lost = self.store.scan("outcomes", [delivery]).filter(pl.col("status") != "ok").select("status").collect()
        statuses = Counter(lost["status"].to_list()).most_common()
        listed = ", ".join(f"{num:,} {status}" for status, num in statuses[:NUM_STATUSES])
        reason = f"its download failed: {cause} ({listed})" if listed else f"its download failed: {cause}"
        num_retryable = sum(num for status, num in statuses if status in RETRYABLE)
        if num_retryable > 0:
            return reason, f"{num_retryable:,} links may succeed later; {RETRY[stage]}, which fetches only those"
        return reason, f"correct its links in the feed, {RETRY[stage]}"

    def _no_deployment(self) -> tuple[str, str]:
        champion = self.store.read_json("champion", "champion.json")
        if champion is not None:
            named = f"champion {champion['classifier']} is not deployed yet"
            return named, "run the job 'deploy', or `shelfsight run`"
        first = self.automation.sensors.get(FIRST_CHAMPION)
        why = f": {first.skip_reason}" if first is not None and first.skip_reason else ""
        blocker = self.automation.blocker(FIRST_CHAMPION)
        train = "name classifiers in [plan] of shelfsight.toml and use `shelfsight run`"
        return f"nothing is deployed, as there is no champion yet{why}", blocker[1] if blocker else train
