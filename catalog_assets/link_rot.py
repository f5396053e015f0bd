"""Link rot: a sample of the links whose pictures were downloaded, asked for again, and what became of them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from pydantic import Field

from catalog_assets.markdown import table
from catalog_assets.versions import content_version
from resources.compute import num_cores
from resources.fetcher import Fetcher
from resources.store import Store

MAX_ROTTEN = 0.05  # of a partner's links; published catalogues lose about 13 % of theirs over the years
CHECK = "links_still_lead_to_pictures"


class RecheckConfig(dg.Config):
    """How large a sample is drawn."""

    num_links: int = Field(default=1_000, description="Links to ask for.")
    min_per_stratum: int = Field(default=5, description="At least so many links of each partner at each host.")
    seed: int = Field(default=0, description="Another seed draws other links.")


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
    from catalog.images.estimates import shares
    from catalog.images.probe import probe
    from catalog.images.sampling import Sampling, draw
    from catalog.images.statuses import Status

    parts = _links(store)
    if not parts:
        raise dg.Failure("no picture was downloaded whose link could be asked for again; materialise 'images' first")
    sampling = Sampling(num_links=config.num_links, min_per_stratum=config.min_per_stratum, seed=config.seed)
    probed = probe(
        draw(parts, sampling),
        fetcher.settings(),
        num_cores=num_cores(),
        on_progress=lambda done, of: context.log.info(f"{done:,} of {of:,} links asked for"),
    )
    unreached = [status.value for status in Status if status.retryable]
    rows = probed.rows.with_columns(
        fate=pl.when(status=Status.OK.value)
        .then(pl.lit("still there"))
        .when(pl.col("status").is_in(unreached))
        .then(pl.lit("not reached"))
        .otherwise(pl.lit("gone"))
    )
    by_partner = shares(rows, of="fate", by=["partner_id"])
    rotten = by_partner.filter(pl.col("fate") == "gone", pl.col("low") > MAX_ROTTEN)
    whole = shares(rows, of="fate")
    gone = float(whole.filter(fate="gone")["share"].sum())
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
    """The links of each delivery that led to a picture."""
    from catalog.images.sampling import links_held

    return [
        links_held(store.scan("products", [key]), store.scan("outcomes", [key]))
        for key in store.partitions("outcomes")
        if store.holds("outcomes", key) and store.holds("products", key)
    ]
