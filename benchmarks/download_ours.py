"""Our side of the download benchmark, as a separate process.

python -m benchmarks.download_ours LINKS.parquet FOLDER CONNECTIONS_PER_HOST [--slow-host HOST]
"""

import argparse
from pathlib import Path

import polars as pl
from upath import UPath

from catalog.download.delivery import download_delivery
from catalog.download.host_limiter import Politeness
from catalog.download.settings import FetchSettings


def main() -> None:
    """Downloads the links into the folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("links", type=Path)
    parser.add_argument("folder", type=UPath)
    parser.add_argument("connections", type=int)
    parser.add_argument("--slow-host")
    options = parser.parse_args()
    limits = {options.slow_host: Politeness(rate_per_s=2.0)} if options.slow_host else {}
    settings = FetchSettings(
        allowed_networks=("127.0.0.0/8",),
        idle_timeout_s=5.0,
        politeness=Politeness(max_connections=options.connections),
        host_limits=limits,
    )
    download_delivery(
        pl.read_parquet(options.links),
        images=options.folder / "images",
        outcomes=options.folder / "outcomes",
        settings=settings,
    )


if __name__ == "__main__":
    main()
