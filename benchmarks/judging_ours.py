"""Our side of the judging benchmark: python -m benchmarks.judging_ours FOLDER.

What the assets metrics, confusion and champion_decisions do with a classifier's predictions and the champion's.
"""

import json
import sys
import time
from pathlib import Path

import polars as pl

from benchmarks.judging_rows import files_in, taxonomy, values
from catalog.business_value import values_at_level
from catalog.calibration_curve import draw_calibration
from catalog.comparison import compare
from catalog.confusion import draw_confusion, leaf_table, most_valuable, read_confusion
from catalog.judging import judge

SHOWN_LEAVES = 50


def main(folder: Path) -> None:
    """Judge, draw, compare with the champion, and write the figures."""
    started = time.perf_counter()
    tree = taxonomy()
    worth = values(tree)
    judgement = judge(files_in(folder / "candidate"), tree, worth)
    (folder / "calibration.png").write_bytes(draw_calibration([("golden", judgement.calibration.filter(level=4))]))
    judged_s = time.perf_counter() - started
    cells = [
        read_confusion(files_in(folder / "candidate"), level, values_at_level(worth, tree, level))
        for level in range(1, 5)
    ]
    shown = most_valuable(cells[-1], worth, SHOWN_LEAVES)
    names = {category_id: tree.path(category_id) for category_id in tree.ids}
    (folder / "confusion.png").write_bytes(draw_confusion(cells[-1], shown, names))
    leaf_table(cells[-1], shown, names).write_parquet(folder / "leaves.parquet")
    confusion_s = time.perf_counter() - started - judged_s
    candidate, champion = (pl.scan_parquet(files_in(folder / side)) for side in ("candidate", "champion"))
    compared = compare(candidate, champion, worth)
    figures = {
        "judged_s": judged_s,
        "confusion_s": confusion_s,
        "compared_s": time.perf_counter() - started - judged_s - confusion_s,
        "scores": judgement.scores.rows(named=True),
        "num_cells": [len(each) for each in cells],
        "compared": vars(compared),
    }
    (folder / "ours.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
