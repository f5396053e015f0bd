"""The definitions of ingestion."""

import dagster as dg

from catalog_assets.ingestion.download_report import download_report
from catalog_assets.ingestion.feed_sensor import feed_sensor
from catalog_assets.ingestion.images import download
from catalog_assets.ingestion.jobs import JOBS
from catalog_assets.ingestion.probe import download_probe
from catalog_assets.ingestion.products import feed_files, products_and_rejected
from catalog_assets.ingestion.taxonomies import ids_mean_what_they_meant, taxonomy, taxonomy_moves
from catalog_assets.ingestion.taxonomy_sensor import taxonomy_sensor

defs = dg.Definitions(
    assets=[
        taxonomy,
        taxonomy_moves,
        feed_files,
        products_and_rejected,
        download_probe,
        download,
        download_report,
    ],
    asset_checks=[ids_mean_what_they_meant],
    jobs=JOBS,
    sensors=[taxonomy_sensor, feed_sensor],
)
