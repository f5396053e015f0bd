"""The content of scikit-learn's reports, computed by ours: python -m benchmarks.judging_reports FOLDER."""

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.judging_rows import files_in, taxonomy, values
from catalog.evaluation.confusion import read_confusion
from catalog.evaluation.level_predictions import LabeledPredictions
from catalog.evaluation.scores import METRICS, level_sums
from catalog.taxonomy.business_value import values_at_level

REPORTED = ("top1", "macro_f1", "value_weighted_accuracy")


def main(folder: Path) -> None:
    """Computes accuracy, F1, value-weighted accuracy and confusion cells of every level."""
    tree = taxonomy()
    units_sold = values(tree)
    files = files_in(folder / "candidate")
    scores, num_cells = [], []
    for level in range(1, 5):
        at_level = values_at_level(units_sold, tree, level)
        predictions = LabeledPredictions.read(files, level)
        sums = level_sums(predictions, np.zeros(len(predictions), dtype=np.int64), at_level)
        scores += [{"level": level, "metric": name, "value": float(METRICS[name](sums)[0])} for name in REPORTED]
        num_cells.append(len(read_confusion(files, level, at_level)))
    (folder / "reports.json").write_text(json.dumps({"scores": scores, "num_cells": num_cells}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
