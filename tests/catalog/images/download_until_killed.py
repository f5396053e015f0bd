"""Downloads a delivery in a process of its own; a test kills it half way.

Usage: python -m tests.catalog.images.download_until_killed PRODUCTS.parquet FOLDER
"""

import sys

import polars as pl
from upath import UPath

from catalog.images.fetch_settings import FetchSettings
from catalog.images.politeness import Politeness
from catalog.images.shards import download_delivery

SETTINGS = FetchSettings(
    allowed_networks=("127.0.0.1",),
    idle_timeout_s=2.0,
    backoff_s=0.05,
    shard_rows=25,
    politeness=Politeness(max_connections=8, pause_s=0.2),
)


def download(products: pl.DataFrame, folder: UPath, settings: FetchSettings = SETTINGS) -> pl.DataFrame:
    return download_delivery(products, images=folder / "images", outcomes=folder / "outcomes", settings=settings)


if __name__ == "__main__":
    download(pl.read_parquet(sys.argv[1]), UPath(sys.argv[2]))
