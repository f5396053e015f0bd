"""The demo as a user meets it: ``make demo`` into an empty store, and again; and what importing the definitions costs.

make bench NAME=demo
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.claims import at_least, at_most, publish

REPOSITORY = Path(__file__).parent.parent
NUM_IMPORTS = 5


def main() -> None:
    """Measure, print, publish."""
    import_s = statistics.median(
        _timed([sys.executable, "-c", "import catalog_assets.definitions"]) for _ in range(NUM_IMPORTS)
    )
    bare_s = statistics.median(_timed([sys.executable, "-c", "pass"]) for _ in range(NUM_IMPORTS))
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        demo = ["make", "demo", f"STORE={store}"]
        first_s = _timed(demo)
        peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # ru_maxrss is in KiB
        second_s = _timed(demo, says="everything is up to date")
        grid = pl.read_parquet(store / "comparison" / "data.parquet")
    top1 = {row["classifier"]: 100 * row["top1"] for row in grid.iter_rows(named=True)}
    gain = top1["simclr-mnv3-finetune-5pct"] - top1["random-mnv3-finetune-5pct"]
    over_scratch = top1["simclr-mnv3-finetune-5pct"] - top1["random-mnv3-scratch-5pct"]
    print(grid)
    publish(
        "demo",
        [
            at_most("`make demo`, 12,000 products, after installation", first_s, 360, "s"),
            at_most("peak memory of its largest process", peak_gib, 4, "GiB"),
            at_most("`make demo` again, nothing to do", second_s, 30, "s"),
            at_most("`import catalog_assets.definitions`", import_s - bare_s, 2, "s"),
            at_least("SimCLR over random weights, same 5 % of labels, same recipe, golden top-1", gain, 5, "points"),
            at_least("the same over random weights under the recipe that suits them best", over_scratch, 5, "points"),
        ],
    )


def _timed(command: list[str], says: str = "") -> float:
    """Wall seconds of a whole process that must succeed, and must say so where that is given."""
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    started = time.perf_counter()
    output = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    elapsed_s = time.perf_counter() - started
    print(output.stdout[-4000:])
    if says not in output.stdout:
        raise RuntimeError(f"{' '.join(command)} did not say {says!r}")
    return elapsed_s


if __name__ == "__main__":
    main()
