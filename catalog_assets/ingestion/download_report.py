"""Download report: outcomes of all deliveries as plots and tables in Dagster's UI."""

import dagster as dg
import polars as pl

from catalog_assets.idioms.conditions import when_upstream_changes
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.versions import content_version
from resources.downloader import ImageDownloader
from resources.store import Store

SHOWN_HOSTS = 20


@dg.asset(
    deps=["outcomes"],
    group_name="ingestion",
    kinds={"polars", "matplotlib"},
    code_version="1",
    automation_condition=when_upstream_changes,
)
def download_report(store: Store, image_downloader: ImageDownloader) -> dg.MaterializeResult[None]:
    """The outcomes of all downloads so far: by partner beside the published rates, by host, and retryable links."""
    from catalog.probe import download_stats
    from catalog.probe.plots import draw_outcomes
    from catalog.probe.published_rates import beside_published

    counted = download_stats.count_outcomes(store.scan("outcomes"), image_downloader.roots())
    by_partner = download_stats.by_partner(counted)
    statuses = (
        counted.group_by("status")
        .agg(pl.col("num").sum(), pl.col("bytes").sum())
        .sort("num", "status", descending=True)
    )
    retryable = by_partner.filter(outcome_group=download_stats.TO_RETRY)["num"].sum()
    return dg.MaterializeResult(
        data_version=content_version(counted.drop("duration_s")),
        metadata={
            "by partner": dg.MetadataValue.md(image_markdown(draw_outcomes(by_partner), "outcomes by partner")),
            "compared with published rates": dg.MetadataValue.md(
                table(beside_published(download_stats.by_published_group(counted)))
            ),
            "outcomes by partner": dg.MetadataValue.md(table(by_partner)),
            "statuses": dg.MetadataValue.md(table(statuses)),
            "hosts that refuse, then the slowest": dg.MetadataValue.md(
                table(download_stats.by_host(counted).head(SHOWN_HOSTS))
            ),
            "links": int(counted["num"].sum()),
            "retryable": int(retryable),
            "bytes": int(counted["bytes"].sum()),
        },
    )
