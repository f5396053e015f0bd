"""Downloads a delivery with the tests' settings, also in a separate process, which a test kills.

Usage: python -m tests.catalog.download.download_until_killed PRODUCTS.parquet FOLDER
"""

import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
from upath import UPath

from catalog.download.delivery import download_delivery
from catalog.download.host_limiter import Politeness
from catalog.download.settings import FetchSettings
from tests.fork_server import Child, start
from tests.patience import PATIENCE_S

SETTINGS = FetchSettings(
    allowed_networks=("127.0.0.1",),
    idle_timeout_s=6.0,  # a busy machine replies within it
    backoff_s=0.05,
    shard_rows=25,
    num_decoders=1,
    politeness=Politeness(max_connections=8, pause_s=0.2),
)


def download(products: pl.DataFrame, folder: UPath, settings: FetchSettings = SETTINGS) -> pl.DataFrame:
    return download_delivery(products, images=folder / "images", outcomes=folder / "outcomes", settings=settings)


def start_downloading(table: Path, folder: Path, photos: Path | None = None) -> Child:
    """Download the products of a file in a process of its own; `photos` is an image root."""
    output = table.with_suffix(".log")
    return start(
        "tests.catalog.download.download_until_killed:download_table",
        [str(table), str(folder), str(photos or "")],
        output,
    )


def download_table(table: str, folder: str, photos: str = "") -> None:
    """Download the products of a file, however long the shop takes: a test may close its gate."""
    settings = replace(SETTINGS, idle_timeout_s=PATIENCE_S, timeout_s=PATIENCE_S)
    settings = replace(settings, image_roots={"photos": photos} if photos else {})
    download(pl.read_parquet(table), UPath(folder), settings)


if __name__ == "__main__":
    download_table(*sys.argv[1:])
