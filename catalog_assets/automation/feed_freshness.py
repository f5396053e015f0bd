"""Feed freshness: the age of each partner's newest feed, and a check that names the partners that have gone silent."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.versions import content_version
from resources.policies import FreshnessPolicy
from resources.store import Store

CHECK = "every_partner_delivers"


@dg.asset(
    deps=["feed_files"],
    group_name="automation",
    kinds={"parquet"},
    io_manager_key="tables",
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            CHECK, asset="feed_freshness", description="No partner's newest feed is older than its settings allow."
        )
    ],
)
def feed_freshness(
    store: Store, freshness_policy: FreshnessPolicy
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """The age of each partner's newest feed beside the age that its settings allow."""
    from catalog.products import freshness

    rows = freshness.feed_freshness(
        store.partners(),
        store.deliveries(store.delivery_keys()),
        max_age_days=freshness_policy.max_feed_age_days,
        now=datetime.now(UTC),
    )
    yield dg.MaterializeResult(
        value=rows, data_version=content_version(rows), metadata={"by partner": dg.MetadataValue.md(table(rows))}
    )
    late = rows.filter("is_late")
    silent = "; ".join(
        f"{row['partner_id']!r}: {row['age_days']:.1f} days, allowed are {row['max_age_days']:g}"
        for row in late.iter_rows(named=True)
    )
    yield dg.AssetCheckResult(
        check_name=CHECK,
        passed=late.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"the newest feed is too old of {silent}; request a new feed, or set max_feed_age_days in partners.toml"
            if silent
            else f"all {len(rows)} partners have delivered in time"
        ),
        metadata={"late": len(late), "partners": len(rows)},
    )


@dg.schedule(job_name="watch_feeds", cron_schedule="0 */6 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def freshness_schedule(context: dg.ScheduleEvaluationContext, store: Store) -> dg.RunRequest | dg.SkipReason:
    """Measures the age of every partner's newest feed four times a day."""
    if not store.delivery_keys():
        return dg.SkipReason("no feed was registered yet")
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())
