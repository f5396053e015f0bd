"""Evaluation: 5 million predictions of 3,000 leaves on four levels, from Parquet, compared with scikit-learn's reports.

make bench NAME=judging
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.claims import Claim, at_least_times, at_most, figure, publish
from benchmarks.judging_rows import write_predictions
from benchmarks.peers import BENCH
from benchmarks.processes import Measured, measure

NUM_RUNS = 3
SIDES = ("ours", "reports", "peer")
MAX_S, MAX_MIB, MIN_TIMES, MAX_OFF = 10.0, 3 * 1024, 5.0, 1e-9


def main() -> None:
    """Writes the predictions, evaluates them with both in turn, checks that the scores agree, and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    num_rows = parser.parse_args().rows
    folder = BENCH / "judging"
    for side, seed in (("candidate", 3), ("champion", 4)):
        write_predictions(folder / side, num_rows, seed)
    runs = [[_run(folder, side) for side in SIDES] for _ in range(NUM_RUNS)]
    took = {
        side: sorted(each, key=lambda one: one.wall_s)
        for side, each in zip(SIDES, zip(*runs, strict=True), strict=True)
    }
    claims = _claims(folder, num_rows, took)
    if num_rows == parser.get_default("rows"):
        publish("judging", claims)
    else:
        print(*claims, sep="\n")


def _run(folder: Path, side: str) -> Measured:
    took = measure([sys.executable, "-m", f"benchmarks.judging_{side}", str(folder)], folder / f"{side}.log")
    print(side, took, flush=True)
    return took


def _claims(folder: Path, num_rows: int, took: dict[str, list[Measured]]) -> list[Claim]:
    ours, reports, peer = (took[side] for side in SIDES)
    figures = json.loads((folder / "ours.json").read_text())
    theirs = json.loads((folder / "peer.json").read_text())["scores"]
    same = json.loads((folder / "reports.json").read_text())["scores"]
    difference = max(_largest_difference(each, theirs) for each in (figures["scores"], same))
    subject = f"{num_rows:,} predictions x 3,000 leaves x 4 levels"
    middle = NUM_RUNS // 2
    return [
        at_most(f"{subject} evaluated: all scores, intervals, images, comparison", ours[middle].wall_s, MAX_S, "s"),
        at_most(f"{subject} evaluated: peak memory", max(each.peak_mib for each in ours), MAX_MIB, "MiB"),
        at_least_times(
            f"{subject} against scikit-learn's reports, which have no intervals",
            num_rows / ours[middle].wall_s,
            num_rows / peer[middle].wall_s,
            MIN_TIMES,
            "predictions/s",
        ),
        at_least_times(
            f"{subject}: the same reports only",
            num_rows / reports[middle].wall_s,
            num_rows / peer[middle].wall_s,
            MIN_TIMES,
            "predictions/s",
        ),
        figure(f"{subject}: scikit-learn's peak memory", max(each.peak_mib for each in peer), "MiB"),
        at_most("largest difference of a score from scikit-learn", difference, MAX_OFF, ""),
        figure("of which scores, intervals and calibration", figures["scores_s"], "s"),
        figure("of which confusion matrices of all levels, drawn", figures["confusion_s"], "s"),
        figure("of which the comparison with the champion", figures["comparison_s"], "s"),
    ]


def _largest_difference(ours: list[dict[str, object]], peer: list[dict[str, float]]) -> float:
    mine = {(row["level"], row["metric"]): float(str(row["value"])) for row in ours}
    return max(abs(mine[row["level"], name] - value) for row in peer for name, value in row.items() if name != "level")


if __name__ == "__main__":
    main()
