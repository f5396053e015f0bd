"""Our side of the evaluation benchmark: python -m benchmarks.judging_ours FOLDER.

It does the work of the assets metrics, confusion and champion_decisions for a classifier and the champion.
"""

import json
import sys
import time
from pathlib import Path

import polars as pl

from benchmarks.judging_rows import files_in, taxonomy, values
from catalog.evaluation.calibration import draw_calibration
from catalog.evaluation.comparison import compare
from catalog.evaluation.confusion import draw_confusion, leaf_table, most_valuable, read_confusion
from catalog.evaluation.evaluate import evaluate
from catalog.taxonomy.business_value import values_at_level

SHOWN_LEAVES = 50


def main(folder: Path) -> None:
    """Evaluates, draws, compares with the champion and writes the figures."""
    started = time.perf_counter()
    tree = taxonomy()
    units_sold = values(tree)
    evaluation = evaluate(files_in(folder / "candidate"), tree, units_sold)
    (folder / "calibration.png").write_bytes(draw_calibration([("golden", evaluation.calibration.filter(level=4))]))
    scores_s = time.perf_counter() - started
    cells = [
        read_confusion(files_in(folder / "candidate"), level, values_at_level(units_sold, tree, level))
        for level in range(1, 5)
    ]
    leaves = most_valuable(cells[-1], units_sold, SHOWN_LEAVES)
    names = {category_id: tree.path(category_id) for category_id in tree.ids}
    (folder / "confusion.png").write_bytes(draw_confusion(cells[-1], leaves, names))
    leaf_table(cells[-1], leaves, names).write_parquet(folder / "leaves.parquet")
    confusion_s = time.perf_counter() - started - scores_s
    candidate, champion = (pl.scan_parquet(files_in(folder / side)) for side in ("candidate", "champion"))
    compared = compare(candidate, champion, units_sold)
    figures = {
        "scores_s": scores_s,
        "confusion_s": confusion_s,
        "comparison_s": time.perf_counter() - started - scores_s - confusion_s,
        "scores": evaluation.scores.rows(named=True),
        "num_cells": [len(each) for each in cells],
        "compared": vars(compared),
    }
    (folder / "ours.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
