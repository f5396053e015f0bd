"""The sensor that registers new feeds as deliveries and starts their jobs."""

import json

import dagster as dg

from catalog.escaping.terminal import terminal_line
from catalog.taxonomy.files import TAXONOMY_FILE
from catalog.taxonomy.tree import TAXONOMY_URL
from catalog_assets.idioms.priorities import NEW_FEED
from catalog_assets.ingestion.inbox import arrivals, registration
from catalog_assets.ingestion.jobs import ingest, parse_only
from catalog_assets.ingestion.scan_settings import MAX_SCAN_S, ScanSettings
from catalog_assets.partitions import deliveries
from resources.policies import ArrivalPolicy
from resources.settings import redacted
from resources.store import Store


@dg.sensor(jobs=[ingest, parse_only], minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def feed_sensor(
    context: dg.SensorEvaluationContext, store: Store, arrival_policy: ArrivalPolicy
) -> dg.SensorResult | dg.SkipReason:
    """Registers a new or rewritten feed as one delivery or several, and requests a run for each."""
    taxonomy = store.reference / TAXONOMY_FILE
    if not taxonomy.exists():  # then every run would fail, and none be repeated once it is there
        return dg.SkipReason(f"feeds wait for the taxonomy; save {TAXONOMY_URL} as {taxonomy}")
    settings = ScanSettings(
        max_rows=arrival_policy.max_delivery_rows, max_scan_s=MAX_SCAN_S, access=arrival_policy.access
    )
    found = arrivals(store, context.instance, json.loads(context.cursor or "{}"), settings)
    problems = [terminal_line(redacted(problem)) for problem in found.problems]  # names of files are a partner's
    for problem in problems:
        context.log.error(problem)
    cursor = json.dumps(found.seen, sort_keys=True)
    if not found.deliveries:
        context.update_cursor(cursor)
        return dg.SkipReason("; ".join(problems) or f"no new feed among {len(found.seen)} in {store.inbox}")
    keys = [delivery.key for delivery in found.deliveries]
    return dg.SensorResult(
        # The run key is the arrival: a tick repeated after a crash starts no second run, and content that was there
        # before, or whose run failed, starts one as it arrives again.
        run_requests=[
            dg.RunRequest(
                run_key=delivery.arrival,
                partition_key=delivery.key,
                job_name=arrival_policy.job,
                tags=NEW_FEED,
            )
            for delivery in found.deliveries
        ],
        dynamic_partitions_requests=[deliveries.build_add_request(keys)],
        asset_events=[registration(delivery) for delivery in found.deliveries],
        cursor=cursor,
    )
