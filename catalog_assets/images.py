"""Images: every product's picture, downloaded politely, and the outcome of every download."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from pydantic import Field

from catalog.images.outcomes import health
from catalog_assets.markdown import table
from catalog_assets.partitions import deliveries
from catalog_assets.versions import content_version
from resources.fetcher import Fetcher
from resources.store import Store

if TYPE_CHECKING:
    from catalog.images.held import Reuse
    from catalog.images.shards import Progress

MIN_SHARE_OK = 0.5  # published catalogues lose about 13 % of their links; half is a broken feed or a refusing shop


class DownloadConfig(dg.Config):
    """What a person may ask of one download."""

    refresh: bool = Field(
        default=False, description="Ask again for every picture, on condition that it has changed where the shop tells."
    )


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
    context: dg.AssetExecutionContext, config: DownloadConfig, products: pl.LazyFrame, store: Store, fetcher: Fetcher
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Fetch what is still missing or retryable of one delivery; finished shards are left alone."""
    delivery = context.partition_key

    def report(progress: "Progress") -> None:
        context.log.info(f"{delivery}: {progress.done:,} of {progress.total:,} links, {progress.ok:,} pictures")

    # Removed products keep their place, and what was downloaded of them.
    wanted = products.select("product_id", "image_url", is_removed=pl.col("removed_at").is_not_null()).collect()
    outcomes = fetcher.download(
        wanted,
        images=store.folder("images", delivery),
        outcomes=store.folder("outcomes", delivery),
        reuse=_reuse(store, delivery, wanted["image_url"], refresh=config.refresh),
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
    is_emptied = wanted.height > 0 and bool(wanted["is_removed"].all())  # then there is no link to judge
    yield dg.AssetCheckResult(
        asset_key="outcomes",
        check_name="download_health",
        passed=share_ok >= MIN_SHARE_OK or is_emptied,
        description=f"{share_ok:.1%} of the links of {delivery!r} led to a picture; at least {MIN_SHARE_OK:.0%} must",
        metadata={"share_ok": share_ok, "links": len(outcomes)},
    )


def _reuse(store: Store, delivery: str, links: pl.Series, *, refresh: bool) -> "Reuse":
    """The pictures that the partner's other deliveries brought; nothing of the kind where all is to be asked again."""
    from catalog.images.held import Reuse, held_pictures

    partner = delivery.split(".", maxsplit=1)[0]
    others = [key for key in store.partitions("outcomes") if key.startswith(f"{partner}.") and key != delivery]
    if refresh or not others:
        return Reuse(refresh=refresh)
    return Reuse(held=held_pictures(store.scan("outcomes", others), links, store.folder("images")))
