"""Jobs of the dataset."""

import dagster as dg

assemble = dg.define_asset_job(
    "assemble",
    selection=dg.AssetSelection.assets("download_report", "splits", "dataset"),
    description="Report the downloads; group, split and rank the usable products of all deliveries.",
)

JOBS = [assemble]
