"""Photographs: the whole flow on all clothing photographs, split by sender.

SHELFSIGHT_PHOTOGRAPHS=FOLDER SHELFSIGHT_TAXONOMY=FILE make bench NAME=photographs
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.claims import figure, publish
from resources.instance import SHIPPED

REPOSITORY = Path(__file__).parent.parent
DATA = REPOSITORY.parent / "shared" / "data"


def main() -> None:
    """Runs, prints and publishes."""
    folder = os.environ.get("SHELFSIGHT_PHOTOGRAPHS", str(DATA / "clothing"))
    taxonomy = os.environ.get("SHELFSIGHT_TAXONOMY", str(DATA / "google_taxonomy" / "taxonomy-with-ids.en-US.txt"))
    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch) / "store"
        home = store / "dagster"
        home.mkdir(parents=True)
        (home / "dagster.yaml").write_text(SHIPPED.read_text())
        command = [sys.executable, "-m", "demo.photographs", folder, "--taxonomy", taxonomy]
        environment = {**os.environ, "SHELFSIGHT_STORE": str(store), "DAGSTER_HOME": str(home)}
        started = time.perf_counter()
        subprocess.run(command, cwd=REPOSITORY, check=True, env=environment)
        elapsed_s = time.perf_counter() - started
        grid = pl.read_parquet(store / "comparison" / "data.parquet")
        images = len(pl.read_parquet(store / "dataset" / "data.parquet"))
    claims = [figure(f"{images:,} clothing photographs through the whole flow", elapsed_s, "s")]
    for row in grid.iter_rows(named=True):
        interval = f"95 % within {row['top1_low']:.3f} to {row['top1_high']:.3f}"
        claims.append(figure(f"photographs, `{row['classifier']}`, test top-1 ({interval})", row["top1"], ""))
    publish("photographs", claims)


if __name__ == "__main__":
    main()
