"""Demo: ``make demo`` into an empty project, and again; and the time to import the definitions.

make bench NAME=demo
"""

import statistics
import sys
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.claims import at_least, at_most, publish
from benchmarks.demo_runs import run_twice, timed

NUM_IMPORTS = 5


def main() -> None:
    """Measures, prints and publishes."""
    import_s = statistics.median(
        timed([sys.executable, "-c", "import catalog_assets.definitions"]) for _ in range(NUM_IMPORTS)
    )
    bare_s = statistics.median(timed([sys.executable, "-c", "pass"]) for _ in range(NUM_IMPORTS))
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        runs = run_twice(project)
        grid = pl.read_parquet(project / "store" / "comparison" / "data.parquet")
    print(grid)
    publish(
        "demo",
        [
            *runs.claims("make demo", "4,000", 180),
            at_most("`import catalog_assets.definitions`", import_s - bare_s, 2, "s"),
            at_least("`make demo`: golden top-1 of its best classifier", grid["top1"].max(), 0.7, ""),
        ],
    )


if __name__ == "__main__":
    main()
