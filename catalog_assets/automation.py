"""Sensors: feeds are taken in, and a new deployment labels everything anew."""

import json

import dagster as dg

from catalog.deliveries import MAX_DELIVERY_ROWS
from catalog_assets.catalogue import TABLE, label_version
from catalog_assets.history import IN_PROGRESS
from catalog_assets.inbox import MAX_LOOK_S, LookSettings, arrivals, registration
from catalog_assets.jobs import ingest, label, take_only
from catalog_assets.partitions import deliveries
from ml.deployment.deployment import current_folder, facts_of
from resources.labeller import Labeller
from resources.store import Store

DELIVERIES_AT_ONCE = 10


class ArrivalPolicy(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What a new feed file starts: the job `ingest`, or `take` where the download waits for a person.

    A feed of more than `max_delivery_rows` rows becomes several deliveries.
    """

    job: str = ingest.name
    max_delivery_rows: int = MAX_DELIVERY_ROWS


@dg.sensor(jobs=[ingest, take_only], minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def feed_sensor(
    context: dg.SensorEvaluationContext, store: Store, arrival_policy: ArrivalPolicy
) -> dg.SensorResult | dg.SkipReason:
    """A new or rewritten feed becomes a delivery, or several by slices, and each of them one run that takes it in."""
    settings = LookSettings(max_rows=arrival_policy.max_delivery_rows, max_look_s=MAX_LOOK_S)
    looked = arrivals(store, context.instance, json.loads(context.cursor or "{}"), settings)
    for problem in looked.problems:
        context.log.error(problem)
    cursor = json.dumps(looked.seen, sort_keys=True)
    if not looked.deliveries:
        context.update_cursor(cursor)
        return dg.SkipReason("; ".join(looked.problems) or f"no new feed among {len(looked.seen)} in {store.inbox}")
    keys = [delivery.key for delivery in looked.deliveries]
    return dg.SensorResult(
        # The run key tells the content and the rows: a tick repeated after a crash starts no second run.
        run_requests=[
            dg.RunRequest(
                run_key=f"{delivery.key}:{delivery.version}", partition_key=delivery.key, job_name=arrival_policy.job
            )
            for delivery in looked.deliveries
        ],
        dynamic_partitions_requests=[deliveries.build_add_request(keys)],
        asset_events=[registration(delivery) for delivery in looked.deliveries],
        cursor=cursor,
    )


@dg.sensor(job=label, minimum_interval_seconds=20, default_status=dg.DefaultSensorStatus.RUNNING)
def relabelling_sensor(
    context: dg.SensorEvaluationContext, store: Store, labeller: Labeller
) -> dg.SensorResult | dg.SkipReason:
    """A new deployment answers for every delivery again, some at a time, so that new feeds need not wait for all.

    A sensor cannot start a backfill, and one run for all of them would hold the device for as long as they take. What
    was never labelled is left to the condition of `universal_catalogue`.
    """
    try:
        facts = facts_of(current_folder(store.path))
    except FileNotFoundError as error:
        return dg.SkipReason(str(error))
    version = label_version(facts, labeller)
    cursor = json.loads(context.cursor or "{}")
    asked = set(cursor.get("asked", [])) if cursor.get("version") == version else set()
    in_progress = context.instance.get_runs_count(dg.RunsFilter(job_name=label.name, statuses=IN_PROGRESS))
    waiting = [
        key
        for key in context.instance.get_dynamic_partitions(str(deliveries.name))
        if key not in asked and store.holds(TABLE, key)
    ]
    behind = [key for key in waiting if _version_of(store, key) not in (version, None)]
    progress = f"{len(asked)} deliveries were asked for with {facts['classifier']!r} as {facts['variant']}"
    if in_progress:
        return dg.SkipReason(f"{in_progress} labelling runs are in progress; {progress}, {len(behind)} wait")
    batch = behind[:DELIVERIES_AT_ONCE]
    told = json.dumps({"version": version, "asked": sorted({*asked, *(set(waiting) - set(behind)), *batch})})
    if not batch:
        context.update_cursor(told)
        return dg.SkipReason(f"every delivery has the categories of {facts['classifier']!r} as {facts['variant']}")
    reason = f"labelled by another version than {version}"
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=f"{key}:{version}", partition_key=key, tags={"shelfsight/reason": reason})
            for key in batch
        ],
        cursor=told,
    )


def _version_of(store: Store, delivery: str) -> str | None:
    """The version that a delivery's categories are of; None where it has no row."""
    versions = store.scan(TABLE, [delivery]).select("version").head(1).collect()["version"]
    return versions[0] if len(versions) else None
