"""Demo: ``make demo`` into an empty project, and again; and the time to import the definitions.

make bench NAME=demo
"""

import resource
import statistics
import sys
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.claims import at_least, at_most, publish
from benchmarks.demo_full import timed

NUM_IMPORTS = 5


def main() -> None:
    """Measures, prints and publishes."""
    import_s = statistics.median(
        timed([sys.executable, "-c", "import catalog_assets.definitions"]) for _ in range(NUM_IMPORTS)
    )
    bare_s = statistics.median(timed([sys.executable, "-c", "pass"]) for _ in range(NUM_IMPORTS))
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        demo = ["make", "demo", f"PROJECT={project}"]
        first_s = timed(demo)
        peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # ru_maxrss is in KiB
        second_s = timed(demo, expected="everything is up to date")
        grid = pl.read_parquet(project / "store" / "comparison" / "data.parquet")
    print(grid)
    publish(
        "demo",
        [
            at_most("`make demo`, 4,000 products, after installation", first_s, 180, "s"),
            at_most("`make demo`: peak memory of its largest process", peak_gib, 4, "GiB"),
            at_most("`make demo` again, nothing to do", second_s, 30, "s"),
            at_most("`import catalog_assets.definitions`", import_s - bare_s, 2, "s"),
            at_least("`make demo`: golden top-1 of its best classifier", grid["top1"].max(), 0.7, ""),
        ],
    )


if __name__ == "__main__":
    main()
