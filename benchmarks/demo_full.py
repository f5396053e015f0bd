"""Demo in full: ``make demo FULL=1`` into an empty project, and again: search, student, ensemble, shares of the labels.

make bench NAME=demo_full
"""

import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.claims import Claim, at_least, at_most, figure, publish
from benchmarks.demo_runs import run_twice

MAX_SEARCH_S, MAX_BEHIND, MAX_SHARE_OF_MS = 120.0, 1.0, 0.25


def main() -> None:
    """Measures, prints and publishes."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "project" / "store"
        runs = run_twice(store.parent, ["FULL=1"])
        grid = pl.read_parquet(store / "comparison" / "data.parquet")
        search_and_students = search_claims(store)
    top1 = {row["classifier"]: 100 * row["top1"] for row in grid.iter_rows(named=True)}
    gain = top1["simclr-mnv3-finetune-5pct"] - top1["random-mnv3-finetune-5pct"]
    over_scratch = top1["simclr-mnv3-finetune-5pct"] - top1["random-mnv3-scratch-5pct"]
    print(grid)
    publish(
        "demo_full",
        [
            *runs.claims("make demo FULL=1", "12,000", 360),
            at_least(
                "gain of SimCLR over random weights, same 5 % of labels, same recipe, golden top-1", gain, 5, "points"
            ),
            at_least("the same under the recipe that is best for random weights", over_scratch, 5, "points"),
            *search_and_students,
        ],
    )


def search_claims(store: Path) -> list[Claim]:
    """Returns claims about the demo's search, its student, its ensemble, and the coverage of its predictions."""
    spent_s = pl.read_parquet(store / "trials" / "*" / "*.parquet")["device_seconds"].sum()
    pair = pl.read_parquet(store / "students" / "*" / "*.parquet")
    teacher, student = (pair.filter(role=role).row(0, named=True) for role in ("teacher", "student"))
    evaluated = pl.read_parquet(store / "ensembles" / "*" / "*.parquet").filter(split="golden")
    is_whole = pl.col("classifier") == pl.col("ensemble")
    lead = evaluated.filter(is_whole)["top1"].item() - evaluated.filter(~is_whole).sort("top1")["top1"][-1]
    predictions = pl.read_parquet(store / "confidence" / "*" / "*.parquet").sort("requested_coverage")
    both = f"`{student['classifier']}` beside `{teacher['classifier']}`"
    subject = f"the demo's {both}, {student['num_samples']:,} golden images"
    share = student["ms_per_image"] / teacher["ms_per_image"]
    return [
        at_most("device seconds spent by the demo's search", spent_s, MAX_SEARCH_S, "device seconds"),
        at_most(f"{subject}: points behind", 100 * (teacher["top1"] - student["top1"]), MAX_BEHIND, "points"),
        at_most(f"{subject}: share of its ms per image", share, MAX_SHARE_OF_MS, ""),
        at_least("gain of the demo's ensemble `stack` over its better member, golden top-1", 100 * lead, 0.0, "points"),
        *(figure(_coverage_claim(row), row["coverage"], "") for row in predictions.iter_rows(named=True)),
    ]


def _coverage_claim(row: dict[str, Any]) -> str:
    within = f"95 % within {row['coverage_low']:.3f} to {row['coverage_high']:.3f}"
    requested = f"the demo's `{row['classifier']}`: measured coverage at a requested {row['requested_coverage']:.0%}"
    return f"{requested} ({within}; mean depth {row['mean_depth']:.2f} levels)"


if __name__ == "__main__":
    main()
