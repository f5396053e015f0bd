"""Link rot: a sample of the links whose images were downloaded, fetched again to see which are gone."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from pydantic import Field

from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.retries import NETWORK, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.ingestion.probe import ProbeConfig, probe_sample
from resources.downloader import ImageDownloader
from resources.store import Store

if TYPE_CHECKING:
    from catalog.download.image_roots import Root

MAX_ROTTEN = 0.05  # of a partner's links; published catalogs lose about 13 % of theirs over the years
CHECK = "links_still_lead_to_images"


class RecheckConfig(ProbeConfig):
    """The size of the sample: smaller than before a download, since one is drawn every night."""

    num_links: int = Field(default=1_000, description="Links to fetch.")


@dg.asset(
    deps=["products", "outcomes"],
    pool="download",  # beside a download it would double the load on the same shops
    group_name="automation",
    kinds={"parquet", "aiohttp"},
    io_manager_key="tables",
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="link_rot",
            description=f"No partner has significantly more than {MAX_ROTTEN:.0%} of its links gone.",
        )
    ],
)
@retried(NETWORK)
def link_rot(
    context: dg.AssetExecutionContext, config: RecheckConfig, store: Store, image_downloader: ImageDownloader
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """A sample of the links that led to an image, fetched again; a link that could not be reached is not gone."""
    from catalog.probe.estimates import GONE, link_state, shares

    parts = _links(store, image_downloader.roots())
    if not parts:
        raise dg.Failure("no image was downloaded whose link could be fetched again; materialize 'images' first")
    rows = probe_sample(context, config, parts, image_downloader).rows.with_columns(link_state())
    by_partner = shares(rows, of="link_state", by=["partner_id"])
    rotten = by_partner.filter(pl.col("link_state") == GONE, pl.col("low") > MAX_ROTTEN)
    gone = float(shares(rows, of="link_state").filter(link_state=GONE)["share"].sum())
    yield dg.MaterializeResult(
        value=rows,
        data_version=content_version(rows),
        metadata={
            "share gone": gone,
            "sampled": len(rows),
            "by partner": dg.MetadataValue.md(table(by_partner)),
            "statuses": dg.MetadataValue.md(table(shares(rows))),
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
            f"{gone:.1%} of the links are gone"
            + (f"; of {worst}: run 'ingest' of their deliveries with `refresh`, or request a new feed" if worst else "")
        ),
        metadata={"share_gone": gone},
    )


@dg.schedule(job_name="recheck", cron_schedule="0 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def recheck_schedule(context: dg.ScheduleEvaluationContext, store: Store) -> dg.RunRequest | dg.SkipReason:
    """Rechecks another sample of the links every night."""
    if not _links(store):
        return dg.SkipReason("no image was downloaded yet whose link could be fetched again")
    day = (context.scheduled_execution_time or datetime.now(UTC)).date()
    return dg.RunRequest(
        run_key=day.isoformat(),
        run_config={"ops": {"link_rot": {"config": {"seed": day.toordinal()}}}},
        tags={"shelfsight/reason": f"the links' nightly sample of {day.isoformat()}"},
    )


def _links(store: Store, roots: "Sequence[Root]" = ()) -> list[pl.LazyFrame]:
    """The links with an image of each delivery that has any."""
    from catalog.probe.sampling import links_with_image

    parts = []
    for key in store.partitions("outcomes"):
        if store.holds("outcomes", key) and store.holds("products", key):
            outcomes = store.scan("outcomes", [key])
            if not outcomes.filter(status="ok").head(1).collect().is_empty():
                parts.append(links_with_image(store.scan("products", [key]), outcomes, roots))
    return parts
