"""The sensor that predicts all deliveries again after a new deployment."""

import json

import dagster as dg

from catalog_assets.idioms.history import IN_PROGRESS
from catalog_assets.idioms.priorities import REPREDICTION
from catalog_assets.partitions import deliveries
from catalog_assets.serving.jobs import categorize
from catalog_assets.serving.universal_catalog import TABLE, prediction_version
from ml.deployment.deployment import current_folder, read_metadata
from resources.predictor import CatalogPredictor
from resources.store import Store

BATCH = 10  # deliveries requested at once


@dg.sensor(job=categorize, minimum_interval_seconds=20, default_status=dg.DefaultSensorStatus.RUNNING)
def repredict_sensor(
    context: dg.SensorEvaluationContext, store: Store, catalog_predictor: CatalogPredictor
) -> dg.SensorResult | dg.SkipReason:
    """Predicts every delivery again with a new deployment, in batches, so that new feeds need not wait for all.

    A sensor cannot start a backfill, and one run for all of them would occupy the device for as long as they take. A
    delivery that was never predicted is left to the condition of `universal_catalog`.
    """
    try:
        facts = read_metadata(current_folder(store.path))
    except FileNotFoundError as error:
        return dg.SkipReason(str(error))
    version = prediction_version(facts, catalog_predictor)
    cursor = json.loads(context.cursor or "{}")
    requested = set(cursor.get("requested", [])) if cursor.get("version") == version else set()
    in_progress = context.instance.get_runs_count(dg.RunsFilter(job_name=categorize.name, statuses=IN_PROGRESS))
    predicted = [
        key
        for key in context.instance.get_dynamic_partitions(str(deliveries.name))
        if key not in requested and store.holds(TABLE, key)
    ]
    outdated = [key for key in predicted if _version_of(store, key) not in (version, None)]
    deployed = f"{facts['classifier']!r} as {facts['variant']}"
    if in_progress:
        return dg.SkipReason(
            f"{in_progress} runs of categorize are in progress; {len(requested)} deliveries were requested with "
            f"{deployed}, {len(outdated)} remain"
        )
    batch = outdated[:BATCH]
    cursor = json.dumps(
        {"version": version, "requested": sorted({*requested, *(set(predicted) - set(outdated)), *batch})}
    )
    if not batch:
        context.update_cursor(cursor)
        return dg.SkipReason(f"every delivery has the categories of {deployed}")
    tags = {"shelfsight/reason": f"predicted by another version than {version}", **REPREDICTION}
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"{key}:{version}", partition_key=key, tags=tags) for key in batch],
        cursor=cursor,
    )


def _version_of(store: Store, delivery: str) -> str | None:
    """The version that a delivery was predicted by; None where it has no row."""
    versions = store.scan(TABLE, [delivery]).select("version").head(1).collect()["version"]
    return versions[0] if len(versions) else None
