"""The download report: outcomes of all deliveries as plots and tables that people read in the UI."""

import dagster as dg
import polars as pl

from catalog_assets.conditions import when_upstream_changes
from catalog_assets.markdown import picture, table
from catalog_assets.versions import content_version
from resources.store import Store

SHOWN_HOSTS = 20


@dg.asset(
    deps=["outcomes"],
    group_name="catalogue",
    kinds={"polars", "matplotlib"},
    code_version="1",
    automation_condition=when_upstream_changes,
)
def download_report(store: Store) -> dg.MaterializeResult[None]:
    """How all downloads so far have ended: by partner beside the published rates, by host, and what to try again."""
    from catalog.images import fates
    from catalog.images.outcome_plots import draw_fates

    counted = fates.counts(store.scan("outcomes"))
    by_partner = fates.by_partner(counted)
    statuses = (
        counted.group_by("status")
        .agg(pl.col("num").sum(), pl.col("bytes").sum())
        .sort("num", "status", descending=True)
    )
    retryable = by_partner.filter(fate=fates.RETRY)["num"].sum()
    return dg.MaterializeResult(
        data_version=content_version(counted.drop("duration_s")),
        metadata={
            "by partner": dg.MetadataValue.md(picture(draw_fates(by_partner), "outcomes by partner")),
            "beside published": dg.MetadataValue.md(table(fates.beside_published(counted))),
            "outcomes by partner": dg.MetadataValue.md(table(by_partner)),
            "statuses": dg.MetadataValue.md(table(statuses)),
            "hosts that refuse, then the slowest": dg.MetadataValue.md(table(fates.hosts(counted).head(SHOWN_HOSTS))),
            "links": int(counted["num"].sum()),
            "worth another try": int(retryable),
            "bytes": int(counted["bytes"].sum()),
        },
    )
