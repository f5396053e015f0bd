"""scikit-learn's side of the evaluation benchmark: python -m benchmarks.judging_peer FOLDER.

Its classification report, confusion matrix and value-weighted accuracy, per level. It has no intervals, no
hierarchical distance and no paired comparison; only ours has.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix

from benchmarks.judging_rows import files_in, taxonomy, values
from catalog.taxonomy.business_value import values_at_level


def main(folder: Path) -> None:
    """Reads only the labels and predictions of each level, and computes the reports."""
    started = time.perf_counter()
    tree = taxonomy()
    units_sold = values(tree)
    scores = []
    for level in range(1, 5):
        rows = pl.scan_parquet(files_in(folder / "candidate")).select(
            true=f"true_{level}", best=pl.col(f"top_{level}").list.first()
        )
        columns = rows.collect(engine="streaming")
        true, best = columns["true"].to_numpy(), columns["best"].to_numpy()
        report = classification_report(true, best, output_dict=True, zero_division=0)
        confusion_matrix(true, best)
        # A sample's weight is the units sold of its label, divided by the label's number of samples.
        ids, positions, nums = np.unique(true, return_inverse=True, return_counts=True)
        at_level = values_at_level(units_sold, tree, level)
        weights = np.array([at_level.get(int(each), 0.0) for each in ids]) / nums
        scores.append(
            {
                "level": level,
                "top1": report["accuracy"],
                "macro_f1": report["macro avg"]["f1-score"],
                "value_weighted_accuracy": accuracy_score(true, best, sample_weight=weights[positions]),
            }
        )
        print(level, time.perf_counter() - started, flush=True)
    (folder / "peer.json").write_text(json.dumps({"scores": scores}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
