"""What scikit-learn's reports hold, by ours, and nothing else: python -m benchmarks.judging_reports FOLDER."""

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.judging_rows import files_in, taxonomy, values
from catalog.business_value import values_at_level
from catalog.confusion import read_confusion
from catalog.judged import Judged
from catalog.scores import METRICS, summed

REPORTED = ("top1", "macro_f1", "value_weighted_accuracy")


def main(folder: Path) -> None:
    """Accuracy, F1 and accuracy by value of every level, and the cells of its confusion matrix."""
    tree = taxonomy()
    worth = values(tree)
    files = files_in(folder / "candidate")
    scores, num_cells = [], []
    for level in range(1, 5):
        at_level = values_at_level(worth, tree, level)
        judged = Judged.read(files, level)
        of = summed(judged, np.zeros(len(judged), dtype=np.int64), at_level)
        scores += [{"level": level, "metric": name, "value": float(METRICS[name](of)[0])} for name in REPORTED]
        num_cells.append(len(read_confusion(files, level, at_level)))
    (folder / "reports.json").write_text(json.dumps({"scores": scores, "num_cells": num_cells}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
