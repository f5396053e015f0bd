"""Link rot: a sample of the links whose pictures were downloaded, asked for again, and what became of them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from pydantic import Field

from catalog_assets.markdown import table
from catalog_assets.probe import ProbeConfig, ask_sample
from catalog_assets.versions import content_version
from resources.fetcher import Fetcher
from resources.store import Store

MAX_ROTTEN = 0.05  # of a partner's links; published catalogues lose about 13 % of theirs over the years
CHECK = "links_still_lead_to_pictures"


class RecheckConfig(ProbeConfig):
    """How large a sample is drawn: smaller than before a download, as it is drawn every night."""

    num_links: int = Field(default=1_000, description="Links to ask for.")


@dg.asset(
    deps=["products", "outcomes"],
    pool="download",  # beside a download it would press the same shops twice as hard
    group_name="catalogue",
    kinds={"parquet", "aiohttp"},
    io_manager_key="tables",
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="link_rot",
            description=f"Of no partner have surely more than {MAX_ROTTEN:.0%} of the links gone.",
        )
    ],
)
def link_rot(
    context: dg.AssetExecutionContext, config: RecheckConfig, store: Store, fetcher: Fetcher
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """What a sample of the links that led to a picture leads to now; a link that could not be reached is not gone."""
    from catalog.images.estimates import fate, shares

    parts = _links(store)
    if not parts:
        raise dg.Failure("no picture was downloaded whose link could be asked for again; materialise 'images' first")
    rows = ask_sample(context, config, parts, fetcher).rows.with_columns(fate())
    by_partner = shares(rows, of="fate", by=["partner_id"])
    rotten = by_partner.filter(pl.col("fate") == "gone", pl.col("low") > MAX_ROTTEN)
    gone = float(shares(rows, of="fate").filter(fate="gone")["share"].sum())
    yield dg.MaterializeResult(
        value=rows,
        data_version=content_version(rows),
        metadata={
            "share gone": gone,
            "asked for": len(rows),
            "by partner": dg.MetadataValue.md(table(by_partner)),
            "what came": dg.MetadataValue.md(table(shares(rows))),
        },
    )
    worst = "; ".join(
        f"{row['partner_id']!r}: {row['share']:.1%} ({row['low']:.1%} to {row['high']:.1%})"
        for row in rotten.sort("share", descending=True).head(5).iter_rows(named=True)
    )
    yield dg.AssetCheckResult(
        check_name=CHECK,
        passed=rotten.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"{gone:.1%} of the links have gone"
            + (f"; of {worst}: run 'ingest' of their deliveries with `refresh`, or ask for a new feed" if worst else "")
        ),
        metadata={"share_gone": gone},
    )


@dg.schedule(job_name="recheck", cron_schedule="0 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def recheck_schedule(context: dg.ScheduleEvaluationContext, store: Store) -> dg.RunRequest | dg.SkipReason:
    """Every night another sample of the links is asked for again."""
    if not _links(store):
        return dg.SkipReason("no picture was downloaded yet whose link could be asked for again")
    day = (context.scheduled_execution_time or datetime.now(UTC)).date()
    return dg.RunRequest(
        run_key=day.isoformat(),
        run_config={"ops": {"link_rot": {"config": {"seed": day.toordinal()}}}},
        tags={"shelfsight/reason": f"the links' nightly sample of {day.isoformat()}"},
    )


def _links(store: Store) -> list[pl.LazyFrame]:
    """The links of each delivery of which any led to a picture."""
    from catalog.images.sampling import links_held

    parts = []
    for key in store.partitions("outcomes"):
        if store.holds("outcomes", key) and store.holds("products", key):
            outcomes = store.scan("outcomes", [key])
            if not outcomes.filter(status="ok").head(1).collect().is_empty():
                parts.append(links_held(store.scan("products", [key]), outcomes))
    return parts
