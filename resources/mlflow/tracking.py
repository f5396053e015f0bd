"""Tracking: one MLflow run per materialized asset partition, tagged with its Dagster run; and registered models."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

EXPERIMENT = "shelfsight"
CURRENT, BEST = "current", "best"  # aliases of a registered model: its newest version, and that of the best score
INTERVAL_S = 2.0  # between two batches of figures, and between two lines of the log
SQLITE = "sqlite:///"


class TrackedRun:
    """An open MLflow run, called with a step's figures."""

    def __init__(self, client: Any, run_id: str, url: str) -> None:
        self.run_id = run_id
        self.url = url
        self._client = client
        self._pending: list[Any] = []
        self._sent_at = time.monotonic()

    def __call__(self, figures: Mapping[str, float], step: int = 0) -> None:
        """Log the figures of one step (an epoch, or the end); they are sent in batches."""
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        self._pending += [Metric(name, float(value), now_ms, step) for name, value in figures.items()]
        if time.monotonic() - self._sent_at >= INTERVAL_S:
            self.send()

    def send(self) -> None:
        """Send the pending figures; MLflow accepts a thousand at a time."""
        for start in range(0, len(self._pending), 1000):
            self._client.log_batch(self.run_id, metrics=self._pending[start : start + 1000])
        self._pending, self._sent_at = [], time.monotonic()

    def epochs(self, name: str, log: Callable[[str], None]) -> Callable[[Mapping[str, float]], None]:
        """Return a callback for each epoch's figures: logs them as steps, and a line of them at intervals to `log`."""
        logged_at = 0.0

        def on_epoch(figures: Mapping[str, float]) -> None:
            nonlocal logged_at
            epoch = int(figures["epoch"])
            rest = {key: value for key, value in figures.items() if key != "epoch"}
            self(rest, step=epoch)
            if time.monotonic() - logged_at < INTERVAL_S:
                return
            logged_at = time.monotonic()
            log(f"{name}: epoch {epoch}: " + ", ".join(f"{key} {value:.4g}" for key, value in rest.items()))

        return on_epoch


class Tracking(dg.ConfigurableResource):  # type: ignore[type-arg]
    """MLflow over a database (SQLite by default); ``ui_url`` is the address of its web UI."""

    uri: str
    artifacts: str
    ui_url: str = "http://127.0.0.1:5000"

    @contextmanager
    def run(
        self, context: dg.AssetExecutionContext, params: Mapping[str, Any], asset: str | None = None
    ) -> Iterator[TrackedRun]:
        """Open the run of an asset's partition; an exception marks it FAILED and propagates.

        Args:
            context: the context of the step.
            params: logged as parameters of the run.
            asset: the asset's name, for a step that materializes several.
        """
        client = self.client()
        asset = asset or context.asset_key.to_user_string()
        partition = context.partition_key if context.has_partition_key else ""
        tags = {
            "mlflow.runName": f"{asset}[{partition}]" if partition else asset,
            "dagster/run_id": context.run.run_id,
            "dagster/asset": asset,
            "dagster/partition": partition,
        }
        experiment_id = self._experiment(client)
        run_id = client.create_run(experiment_id, tags=tags).info.run_id
        for key, value in params.items():
            client.log_param(run_id, key, value)
        run = TrackedRun(client, run_id, f"{self.ui_url}/#/experiments/{experiment_id}/runs/{run_id}")
        try:
            yield run
        except BaseException:
            run.send()
            client.set_terminated(run_id, "FAILED")
            raise
        run.send()
        client.set_terminated(run_id, "FINISHED")

    def register(
        self,
        model: str,
        run_id: str,
        files: Sequence[Path],
        tags: Mapping[str, str],
        score: float | None = None,
        is_current: bool = True,
    ) -> str:
        """Register files as a new version of a model; returns the version's number.

        The newest version has the alias `current`, unless `is_current` leaves that to the caller (see `make_current`);
        of those with a score, the highest has `best` (the newest among equals).
        ``mlflow.artifacts.download_artifacts("models:/NAME@current")`` downloads its files.
        """
        from mlflow.exceptions import MlflowException

        client = self.client()
        for file in files:
            client.log_artifact(run_id, str(file), model)
        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{client.get_run(run_id).info.artifact_uri}/{model}"
        scored = {"score": f"{score:.6f}"} if score is not None else {}
        version = client.create_model_version(model, source, run_id, tags={**tags, **scored})
        if is_current:
            client.set_registered_model_alias(model, CURRENT, version.version)
        if score is not None:
            versions = client.search_model_versions(f"name = '{model}'")
            best = max(
                (each for each in versions if "score" in each.tags),
                key=lambda each: (float(each.tags["score"]), int(each.version)),
            )
            client.set_registered_model_alias(model, BEST, best.version)
        return str(version.version)

    def make_current(self, model: str, version: str) -> None:
        """Point the alias `current` of a model to a version; done again, it changes nothing."""
        client = self.client()
        if str(client.get_registered_model(model).aliases.get(CURRENT)) != version:
            client.set_registered_model_alias(model, CURRENT, version)

    def client(self) -> Any:
        """Return an MLflow client on this tracking store."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        if self.uri.startswith(SQLITE):
            Path(self.uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=self.uri)

    def _experiment(self, client: Any) -> str:
        """The experiment's id; concurrent first runs get the same."""
        from mlflow.exceptions import MlflowException

        known = client.get_experiment_by_name(EXPERIMENT)
        if known is None:
            try:
                return str(client.create_experiment(EXPERIMENT, artifact_location=self.artifacts))
            except MlflowException:
                known = client.get_experiment_by_name(EXPERIMENT)
                if known is None:
                    raise
        return str(known.experiment_id)
