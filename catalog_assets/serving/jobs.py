"""Jobs of serving: each launches assets for one partition."""

import dagster as dg

deploy = dg.define_asset_job(
    "deploy",
    selection=dg.AssetSelection.assets("deployment"),
    description="Export the champion, and choose its fastest variant on this machine.",
)

categorize = dg.define_asset_job(
    "categorize",
    selection=dg.AssetSelection.assets("universal_catalog"),
    description="Predict the category of one delivery's products with the deployed champion.",
)

JOBS = [deploy, categorize]
