"""Jobs of ingestion: each launches assets for one partition."""

import dagster as dg

prepare = dg.define_asset_job(
    "prepare",
    selection=dg.AssetSelection.assets("taxonomy", "taxonomy_moves"),
    description="Read the taxonomy and its former versions.",
)

ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets("feed_comparison", "products", "rejected", "images", "outcomes"),
    description="Parse one delivery's feed and download its images.",
)

enlarge = dg.define_asset_job(
    "enlarge",
    selection=dg.AssetSelection.assets("images", "outcomes"),
    config={"ops": {"download": {"config": {"enlarge": True}}}},
    description="Fetch one delivery's images again that a smaller images.short_side_px reduced.",
)

parse_only = dg.define_asset_job(
    "parse",
    selection=dg.AssetSelection.assets("feed_comparison", "products", "rejected"),
    description="Parse one delivery's feed and download nothing yet: a probe comes first.",
)

probe = dg.define_asset_job(
    "probe",
    selection=dg.AssetSelection.assets("download_probe"),
    description="Request a sample of the links still to be fetched, and forecast the whole download.",
)

JOBS = [prepare, ingest, enlarge, parse_only, probe]
