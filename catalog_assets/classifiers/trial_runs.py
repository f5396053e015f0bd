"""Trial runs: an MLflow run for each trial of a search, nested under the search's own."""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from ml.search.ledger import WITHOUT_FAILURE
from resources.mlflow.tracking import Tracking

if TYPE_CHECKING:
    from ml.search.ledger import Attempt
    from ml.search.space import Candidate

PARENT_TAG = "mlflow.parentRunId"


class TrialRuns:
    """Called with every attempt that has ended: logs its metric as a step of its trial's run, and to `log`."""

    def __init__(self, tracking: Tracking, parent: str, metric: str, log: Callable[[str], None]) -> None:
        self._client = tracking.client()
        self._parent, self._metric, self._log = parent, metric, log
        self._experiment_id = self._client.get_run(parent).info.experiment_id
        self._runs: dict[str, str] = {}  # by trial
        self._failed: set[str] = set()

    def __call__(self, candidate: "Candidate", attempt: "Attempt") -> None:
        """Log one attempt."""
        run = self._runs.get(attempt.trial) or self._begin(candidate)
        seconds = attempt.device_seconds
        self._client.log_metric(run, "device_seconds", seconds, step=attempt.rung)
        if attempt.metric is not None:
            self._client.log_metric(run, self._metric, attempt.metric, step=attempt.rung)
        self._client.set_tag(run, "state", attempt.state)
        self._client.set_tag(run, "reason", attempt.reason)
        if attempt.state not in WITHOUT_FAILURE:
            self._failed.add(attempt.trial)
        result = attempt.reason if attempt.metric is None else f"{self._metric} {attempt.metric:.4f}"
        self._log(
            f"trial {attempt.trial} ({candidate.encoder}), rung {attempt.rung}, {attempt.epochs} epochs: "
            f"{attempt.state}, {result}, {seconds:.1f} device seconds"
        )

    def end(self) -> None:
        """Close all runs: as failed where the trial did."""
        for trial, run in self._runs.items():
            self._client.set_terminated(run, "FAILED" if trial in self._failed else "FINISHED")

    def _begin(self, candidate: "Candidate") -> str:
        tags = {PARENT_TAG: self._parent, "mlflow.runName": f"{candidate.encoder} {candidate.trial}"}
        run = str(self._client.create_run(self._experiment_id, tags=tags).info.run_id)
        for name, value in asdict(candidate).items():
            self._client.log_param(run, name, value)
        self._runs[candidate.trial] = run
        return run
