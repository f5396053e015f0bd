"""The flow: brings a store up to date by running the jobs of its plan in the order of the asset graph."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import dagster as dg

from catalog.escaping.terminal import terminal_line
from catalog_assets.definitions import definitions
from catalog_assets.idioms.staleness import needs_materializing
from catalog_assets.ingestion.inbox import arrivals, registration
from catalog_assets.ingestion.scan_settings import ScanSettings
from catalog_assets.partitions import deliveries
from catalog_assets.plan import TARGET, Plan, Step, step, steps
from resources.configured import arrival_policy
from resources.settings import Settings, redacted
from resources.store import Store

QUIET: dict[str, object] = {"loggers": {"console": {"config": {}}}}


@dataclass(frozen=True)
class PlannedRun:
    """A run of a flow: its job, the partition that it is for, and the assets that it materializes."""

    job: str
    key: str | None
    assets: tuple[str, ...]

    @property
    def label(self) -> str:
        """The job and its partition, as a person reads them."""
        return f"{self.job}[{self.key}]" if self.key else self.job


class Listener(Protocol):
    """Observes the runs of a flow."""

    def starting(self, run: PlannedRun) -> None:
        """A run starts."""
        ...

    def ended(self, run: PlannedRun, seconds: float, failure: str | None) -> None:
        """A run has ended; `failure` is the reason where it failed."""
        ...

    def skipped(self, run: PlannedRun) -> None:
        """A run is not needed: what it would materialize is up to date."""
        ...


class PrintedProgress:
    """Prints a line as a run starts and one as it ends."""

    def starting(self, run: PlannedRun) -> None:
        """Prints the run."""
        print(f"── {terminal_line(run.label)}", flush=True)  # noqa: T201 the flow's own progress

    def ended(self, run: PlannedRun, seconds: float, failure: str | None) -> None:
        """Prints the seconds that it took."""
        print(f"   {terminal_line(run.label)} took {seconds:.1f} s", flush=True)  # noqa: T201 the flow's own progress

    def skipped(self, run: PlannedRun) -> None:
        """Prints nothing."""


@dataclass
class Progress:
    """The outcome of bringing a store up to date: the number of runs, and the deliveries that failed."""

    num_runs: int = 0
    refused: dict[str, str] = field(default_factory=dict)  # delivery -> reason


def register_arrivals(store: Store, instance: dg.DagsterInstance) -> list[str]:
    """Registers every new feed in the inbox as deliveries, as feed_sensor does; returns problems with files."""
    policy = arrival_policy(Settings.read())
    found = arrivals(
        store, instance, seen={}, settings=ScanSettings(max_rows=policy.max_delivery_rows, access=policy.access)
    )
    instance.add_dynamic_partitions(str(deliveries.name), [delivery.key for delivery in found.deliveries])
    for delivery in found.deliveries:
        instance.report_runless_asset_event(registration(delivery))
    return found.problems


def bring_up_to_date(
    defs: dg.Definitions, instance: dg.DagsterInstance, plan: Plan, listener: Listener | None = None
) -> Progress:
    """Runs the jobs of a plan for what is missing or stale, in the order of the asset graph.

    A delivery that fails is recorded, and the others continue. The warehouse is refreshed after any other run,
    so that it has views of tables that had no rows before.

    Raises:
        ValueError: a job that is not a delivery's failed.
    """
    return run_steps(defs, instance, steps(defs, plan), listener)


def run_jobs(
    defs: dg.Definitions, instance: dg.DagsterInstance, jobs: Sequence[str], plan: Plan | None = None
) -> Progress:
    """Runs these jobs, in this order, for those of a plan's recipes and of all deliveries that are missing or stale.

    Raises:
        ValueError: as `bring_up_to_date`.
    """
    return run_steps(defs, instance, [step(defs, job, plan or Plan()) for job in jobs])


def run_flow(root: Path | str, plan: Plan) -> Progress:
    """Registers what arrived and brings every asset of a plan up to date, in the instance of DAGSTER_HOME."""
    settings = Settings.read(store=str(root))
    with dg.DagsterInstance.get() as instance:
        for problem in register_arrivals(Store.of(settings), instance):
            print(terminal_line(redacted(problem)), file=sys.stderr)  # noqa: T201
        defs = definitions(settings)
        return bring_up_to_date(defs, instance, plan)


def run_steps(
    defs: dg.Definitions, instance: dg.DagsterInstance, flow: Sequence[Step], listener: Listener | None = None
) -> Progress:
    """Runs the steps of a flow, in order, for what is missing or stale.

    Raises:
        ValueError: as `bring_up_to_date`.
    """
    progress, observer = Progress(), listener or PrintedProgress()
    for each in flow:
        keys = each.keys(instance)
        for key in keys:
            run = PlannedRun(each.job, key, tuple(each.assets))
            follows = TARGET in each.assets and progress.num_runs > 0
            if not (follows or _is_stale(defs, instance, run, is_last=key == keys[-1])):
                observer.skipped(run)
                continue
            observer.starting(run)
            started = time.perf_counter()
            error = _error(defs, instance, run)
            reason = None if error is None else _reason(error)
            observer.ended(run, time.perf_counter() - started, reason)
            if reason is not None:
                if key is None or key not in instance.get_dynamic_partitions(str(deliveries.name)):
                    raise ValueError(reason) from error
                progress.refused.setdefault(key, reason)
            progress.num_runs += 1
    return progress


def stale_runs(defs: dg.Definitions, instance: dg.DagsterInstance, flow: Sequence[Step]) -> list[PlannedRun]:
    """Returns the runs that a flow would make now: for what is missing or stale, and for what is made from that.

    A step that is run for each delivery is listed for all of them, also where its inputs are only made on the way.
    """
    graph = defs.resolve_asset_graph()
    remade: set[dg.AssetKey] = set()
    runs: list[PlannedRun] = []
    for each in flow:
        keys = each.keys(instance)
        if not keys and each.is_by_delivery:
            keys = instance.get_dynamic_partitions(str(deliveries.name))
        assets = [dg.AssetKey(asset) for asset in each.assets]
        follows = any(parent in remade for asset in assets for parent in graph.get(asset).parent_keys)
        for key in keys:
            run = PlannedRun(each.job, key, tuple(each.assets))
            if follows or _is_stale(defs, instance, run, is_last=key == keys[-1]):
                runs.append(run)
                remade |= set(assets)
    return runs


def _is_stale(defs: dg.Definitions, instance: dg.DagsterInstance, run: PlannedRun, *, is_last: bool) -> bool:
    """Returns True if an asset of a run needs materializing; those without partitions wait for the last key."""
    graph = defs.resolve_asset_graph()
    for asset in run.assets:
        is_partitioned = graph.get(dg.AssetKey(asset)).partitions_def is not None
        partition = run.key if is_partitioned else None
        if (is_partitioned or is_last) and needs_materializing(defs, instance, asset, partition):
            return True
    return False


def _error(defs: dg.Definitions, instance: dg.DagsterInstance, run: PlannedRun) -> Exception | None:
    """Runs a job; returns the error that it failed with."""
    selection = [dg.AssetKey(asset) for asset in run.assets]
    try:
        defs.resolve_job_def(run.job).execute_in_process(
            instance=instance, partition_key=run.key, run_config=QUIET, asset_selection=selection, raise_on_error=True
        )
    except (OSError, ValueError, dg.DagsterError, dg.Failure) as error:
        return error
    return None


def _reason(error: Exception) -> str:
    """Returns the message of an error, in one line."""
    description = error.description if isinstance(error, dg.Failure) else None
    return " ".join((description or str(error)).split())
