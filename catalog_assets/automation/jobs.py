"""Jobs of automation: each launches assets for one partition."""

import dagster as dg

monitor = dg.define_asset_job(
    "monitor",
    selection=dg.AssetSelection.assets("drift"),
    description="Compare one delivery's categories with those of the training products.",
)

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.assets("golden_score", "warehouse"),
    description="Evaluate the catalog on golden products again, and refresh the warehouse's views.",
)

recheck = dg.define_asset_job(
    "recheck",
    selection=dg.AssetSelection.assets("link_rot"),
    description="Request a sample of the downloaded links again, and report which are gone.",
)

watch_feeds = dg.define_asset_job(
    "watch_feeds",
    selection=dg.AssetSelection.assets("feed_freshness"),
    description="Measure the age of each partner's newest feed, and report the partners that have gone silent.",
)

JOBS = [monitor, refresh, recheck, watch_feeds]
