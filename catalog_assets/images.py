"""Images: every product's picture, downloaded politely, and the outcome of every download."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from catalog.images.outcomes import health
from catalog_assets.markdown import table
from catalog_assets.partitions import deliveries
from catalog_assets.versions import content_version
from resources.fetcher import Fetcher
from resources.store import Store

if TYPE_CHECKING:
    from catalog.images.shards import Progress

MIN_SHARE_OK = 0.5  # published catalogues lose about 13 % of their links; half is a broken feed or a refusing shop


@dg.multi_asset(
    name="download",
    check_specs=[
        dg.AssetCheckSpec(
            "download_health",
            asset="outcomes",
            blocking=True,
            description=f"At least {MIN_SHARE_OK:.0%} of a delivery's links led to a picture.",
        )
    ],
    partitions_def=deliveries,
    ins={"products": dg.AssetIn()},
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    pool="download",  # one delivery at a time, or two would press the same shop twice as hard
    group_name="catalogue",
    outs={
        "images": dg.AssetOut(
            description="Pictures, in shards that Hugging Face datasets reads as images.",
            dagster_type=dg.Nothing,
            kinds={"parquet", "aiohttp"},
            code_version="1",
        ),
        "outcomes": dg.AssetOut(
            description="How each product's download ended.",
            dagster_type=dg.Nothing,
            io_manager_key="tables",
            kinds={"parquet"},
            code_version="1",
        ),
    },
)
def download(
    context: dg.AssetExecutionContext, products: pl.LazyFrame, store: Store, fetcher: Fetcher
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Fetch what is still missing or retryable of one delivery; finished shards are left alone."""
    delivery = context.partition_key

    def report(progress: "Progress") -> None:
        context.log.info(f"{delivery}: {progress.done:,} of {progress.total:,} links, {progress.ok:,} pictures")

    outcomes = fetcher.download(
        products.select("product_id", "image_url").collect(),
        images=store.folder("images", delivery),
        outcomes=store.folder("outcomes", delivery),
        on_progress=report,
    )
    pictures = outcomes.filter(status="ok")
    yield dg.MaterializeResult(
        asset_key="images",
        data_version=content_version(pictures.select("product_id", "sha256")),
        metadata={"dagster/row_count": len(pictures), "bytes": int(pictures["bytes"].sum())},
    )
    yield dg.MaterializeResult(
        asset_key="outcomes",
        data_version=content_version(outcomes.select("product_id", "image_url", "status", "sha256")),
        metadata={
            "dagster/row_count": len(outcomes),
            "outcomes": dg.MetadataValue.md(table(health(outcomes))),
        },
    )
    share_ok = len(pictures) / max(1, len(outcomes))
    yield dg.AssetCheckResult(
        asset_key="outcomes",
        check_name="download_health",
        passed=share_ok >= MIN_SHARE_OK,
        description=f"{share_ok:.1%} of the links of {delivery!r} led to a picture; at least {MIN_SHARE_OK:.0%} must",
        metadata={"share_ok": share_ok, "links": len(outcomes)},
    )
