"""Jobs of the dataset."""

import dagster as dg

assemble = dg.define_asset_job(
    "assemble",
    selection=dg.AssetSelection.assets("download_report", "placeholders", "splits", "dataset"),
    description="Report the downloads; find placeholders; group, split and rank the usable products of all deliveries.",
)

JOBS = [assemble]
