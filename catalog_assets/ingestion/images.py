"""Images and outcomes: downloads every product's image within the limits of its host, and records each outcome."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from pydantic import Field

from catalog.images.outcomes import health, is_reduced
from catalog.images.statuses import Status
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.partitioned_checks import partitioned_check
from catalog_assets.idioms.retries import NETWORK, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.ingestion.changed_images import CHANGED_IMAGES, COLUMNS, check_images
from catalog_assets.ingestion.download_errors import DOWNLOAD_ERRORS, check_errors
from catalog_assets.partitions import deliveries
from resources.alerts import Alerts
from resources.downloader import ImageDownloader
from resources.policies import GatePolicy
from resources.store import Store

if TYPE_CHECKING:
    from catalog.download.delivery import DownloadOptions, Progress

MIN_SHARE_OK = 0.5  # published catalogs lose about 13 %; a loss of half means a broken feed or a shop that refuses


class DownloadConfig(dg.Config):
    """Options of one download."""

    refresh: bool = Field(
        default=False, description="Fetch every image again, conditionally where the shop names versions."
    )
    enlarge: bool = Field(
        default=False,
        description="Fetch the images again that a smaller images.short_side_px than today's has reduced.",
    )


@dg.multi_asset(
    name="download",
    check_specs=[
        partitioned_check(
            "download_health",
            asset="outcomes",
            partitions_def=deliveries,
            blocking=True,
            description=f"At least {MIN_SHARE_OK:.0%} of a delivery's links led to an image.",
        ),
        DOWNLOAD_ERRORS,
        CHANGED_IMAGES,
    ],
    partitions_def=deliveries,
    ins={"products": dg.AssetIn()},
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    pool="download",  # one delivery at a time, or two would double the load on the same shop
    group_name="ingestion",
    outs={
        "images": dg.AssetOut(
            description="Images, in shards that Hugging Face datasets reads as images.",
            dagster_type=dg.Nothing,
            kinds={"parquet", "aiohttp"},
            code_version="1",
        ),
        "outcomes": dg.AssetOut(
            description="The outcome of each product's download.",
            dagster_type=dg.Nothing,
            io_manager_key="tables",
            kinds={"parquet"},
            code_version="1",
        ),
    },
)
@retried(NETWORK)
def download(  # noqa: PLR0913, PLR0917 its resources are arguments
    context: dg.AssetExecutionContext,
    config: DownloadConfig,
    products: pl.LazyFrame,
    store: Store,
    image_downloader: ImageDownloader,
    alerts: Alerts,
    gate_policy: GatePolicy,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Downloads the missing and retryable images of one delivery; finished shards stay as they are."""
    delivery = context.partition_key

    def report(progress: "Progress") -> None:
        context.log.info(f"{delivery}: {progress.done:,} of {progress.total:,} links, {progress.ok:,} images")

    # Removed products keep their row and their image.
    wanted = products.select("product_id", "image_url", is_removed=pl.col("removed_at").is_not_null()).collect()
    is_known = store.holds("outcomes", delivery)
    former = store.scan("outcomes", [delivery]).select(COLUMNS).collect() if is_known else None
    outcomes = image_downloader.download(
        wanted,
        images=store.folder("images", delivery),
        outcomes=store.folder("outcomes", delivery),
        options=_options(store, delivery, wanted["image_url"], config, image_downloader.short_side_px),
        on_progress=report,
    )
    images = outcomes.filter(status="ok")
    yield dg.MaterializeResult(
        asset_key="images",
        data_version=content_version(images.select("product_id", "sha256")),
        metadata={
            "dagster/row_count": len(images),
            "bytes": int(images["bytes"].sum()),
            "short_side_px": image_downloader.short_side_px,
            "quality": image_downloader.quality,
            "max_pixels": image_downloader.max_pixels,
            "stored with a smaller short_side_px": len(images.filter(is_reduced(image_downloader.short_side_px))),
        },
    )
    yield dg.MaterializeResult(
        asset_key="outcomes",
        data_version=content_version(outcomes.select("product_id", "image_url", "status", "sha256")),
        metadata={
            "dagster/row_count": len(outcomes),
            "outcomes": dg.MetadataValue.md(table(health(outcomes))),
            "internal_error": len(outcomes.filter(status=Status.INTERNAL_ERROR)),
        },
    )
    yield check_errors(delivery, outcomes, alerts, context.log)
    limits = store.partner(delivery.partition(".")[0]).limits(gate_policy.limits)
    yield check_images(delivery, former, outcomes, limits)
    share_ok = len(images) / max(1, len(outcomes))
    is_emptied = wanted.height > 0 and bool(wanted["is_removed"].all())  # then there is no link to check
    yield dg.AssetCheckResult(
        asset_key="outcomes",
        check_name="download_health",
        passed=share_ok >= MIN_SHARE_OK or is_emptied,
        description=f"{share_ok:.1%} of the links of {delivery!r} led to an image; at least {MIN_SHARE_OK:.0%} must",
        metadata={"share_ok": share_ok, "links": len(outcomes)},
    )


def _options(
    store: Store, delivery: str, links: pl.Series, config: DownloadConfig, short_side_px: int
) -> "DownloadOptions":
    """With the images of the partner's other deliveries, unless everything, or what is too small, is fetched again."""
    from catalog.download.cached_images import cached_images
    from catalog.download.delivery import DownloadOptions

    partner = delivery.split(".", maxsplit=1)[0]
    others = [key for key in store.partitions("outcomes") if key.startswith(f"{partner}.") and key != delivery]
    if config.refresh or not others:
        return DownloadOptions(refresh=config.refresh, enlarge=config.enlarge)
    min_limit_px = short_side_px if config.enlarge else 0
    cached = cached_images(store.scan("outcomes", others), links, store.folder("images"), min_limit_px)
    return DownloadOptions(cached=cached, enlarge=config.enlarge)
