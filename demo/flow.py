"""The flow: brings every asset of a store up to date, stage by stage, and leaves alone what already is."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError  # which Dagster does not export

from catalog_assets.definitions import definitions
from catalog_assets.inbox import LookSettings, arrivals, max_delivery_rows, registration
from catalog_assets.partitions import FOUND_BY, deliveries
from catalog_assets.staleness import needs_materializing
from resources.store import Store

QUIET: dict[str, object] = {"loggers": {"console": {"config": {}}}}


@dataclass(frozen=True)
class Stage:
    """A job, the assets it makes, and the partitions in question; one that `follows` runs after any other one has."""

    job: str
    assets: tuple[str, ...]
    partitions: Callable[[dg.DagsterInstance], Sequence[str | None]] = lambda _: (None,)
    follows: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The recipes that a flow makes, by their names; `shares` are keys of `encoder_shares`."""

    encoders: Sequence[str]
    classifiers: Sequence[str]
    shares: Sequence[str] = ()
    searches: Sequence[str] = ()
    students: Sequence[str] = ()
    ensembles: Sequence[str] = ()


def stages(plan: Plan) -> list[Stage]:
    """The design's flow from feeds to the warehouse; what is found, taught and combined; categories for all."""
    return [
        Stage("prepare", ("taxonomy", "taxonomy_moves")),
        Stage(
            "ingest",
            ("products", "rejected", "images", "outcomes"),
            lambda instance: instance.get_dynamic_partitions("deliveries"),
        ),
        Stage("assemble", ("download_report", "dataset")),
        Stage("encode", ("encoders", "embeddings"), lambda _: plan.encoders),
        Stage("examine", ("encoder_quality", "similarity_index", "embedding_drift"), lambda _: plan.encoders),
        *_judged("train", "classifiers", plan.classifiers),
        # Each run draws `data_efficiency` anew.
        Stage("efficiency", ("share_outcomes",), lambda _: plan.shares),
        COMPARE,
        *_found(plan),
        *(UNIVERSAL if plan.classifiers else []),
    ]


COMPARE = Stage("compare", ("comparison", "champion_decisions", "champion", "warehouse"))


# Of every delivery that was downloaded; then the views know of it.
UNIVERSAL = [
    Stage("deploy", ("deployment",)),
    Stage(
        "label",
        ("universal_catalogue",),
        lambda instance: sorted(instance.get_materialized_partitions(dg.AssetKey("outcomes"))),
    ),
    Stage(
        "watch",
        ("drift",),
        lambda instance: sorted(instance.get_materialized_partitions(dg.AssetKey("universal_catalogue"))),
    ),
    Stage("refresh", ("golden_score", "warehouse"), follows=True),
]


def _judged(job: str, asset: str, names: Sequence[str]) -> list[Stage]:
    """What a job trains, and then how it does."""
    return [
        Stage(job, (asset,), lambda _: names),
        Stage("judge", ("predictions", "metrics", "confusion"), lambda _: names),
    ]


def _found(plan: Plan) -> list[Stage]:
    found = [name for name, search in FOUND_BY.items() if search in plan.searches]
    if not (found or plan.students or plan.ensembles):
        return []
    return [
        Stage("search", ("searches",), lambda _: plan.searches),
        *_judged("train", "classifiers", found),
        *_judged("distil", "students", plan.students),
        *_judged("combine", "ensembles", plan.ensembles),
        Stage("calibrate", ("confidence",), lambda _: found),
        COMPARE,
    ]


def register_arrivals(store: Store, instance: dg.DagsterInstance) -> list[str]:
    """What feed_sensor does on its tick: every new feed becomes a delivery or slices. Returns problems with files."""
    looked = arrivals(store, instance, seen={}, settings=LookSettings(max_rows=max_delivery_rows()))
    instance.add_dynamic_partitions(str(deliveries.name), [delivery.key for delivery in looked.deliveries])
    for delivery in looked.deliveries:
        instance.report_runless_asset_event(registration(delivery))
    return looked.problems


@dataclass
class Progress:
    """What bringing a store up to date took, and which deliveries could not be taken in."""

    num_runs: int = 0
    refused: dict[str, str] = field(default_factory=dict)  # delivery -> why


def bring_up_to_date(defs: dg.Definitions, instance: dg.DagsterInstance, plan: Sequence[Stage]) -> Progress:
    """Run what is missing or stale, in order; a delivery that fails is noted and the others go on."""
    progress = Progress()
    for stage in plan:
        for partition in stage.partitions(instance):
            is_due = stage.follows and progress.num_runs > 0
            if not is_due and not any(needs_materializing(defs, instance, asset, partition) for asset in stage.assets):
                continue
            label = f"{stage.job}[{partition}]" if partition else stage.job
            print(f"── {label}", flush=True)
            started = time.perf_counter()
            try:
                _run(defs, instance, stage.job, partition)
            except (OSError, ValueError, dg.DagsterError, dg.Failure) as error:
                told = (error.description if isinstance(error, dg.Failure) else None) or str(error)
                reason = " ".join(told.split())
                if stage.job != "ingest" or partition is None:
                    raise ValueError(reason) from error
                progress.refused[partition] = reason
            print(f"   {label} took {time.perf_counter() - started:.1f} s", flush=True)
            progress.num_runs += 1
    return progress


def _run(defs: dg.Definitions, instance: dg.DagsterInstance, job: str, partition: str | None) -> None:
    """Run a job; once more where a candidate was refused the champion's place, so that what comes after it is made."""
    for is_last in (job != "compare", True):
        try:
            defs.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=partition, run_config=QUIET, raise_on_error=True
            )
        except DagsterAssetCheckFailedError:
            if is_last:
                raise
            print("   a candidate was refused the champion's place; champion_decisions says why", flush=True)
        else:
            return


def run_flow(root: Path, plan: Plan) -> Progress:
    """Take in what arrived and bring every asset of the store up to date, in the instance of DAGSTER_HOME."""
    with dg.DagsterInstance.get() as instance:
        for problem in register_arrivals(Store(root=str(root)), instance):
            print(problem, file=sys.stderr)
        return bring_up_to_date(definitions(str(root)), instance, stages(plan))
