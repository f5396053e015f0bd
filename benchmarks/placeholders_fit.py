"""Fits the weights of `catalog.images.graphics` on placeholders of eight kinds and half of the photographs.

python -m benchmarks.placeholders_fit

It prints the weights and, for each limit, the photographs above it and the share of the eight kinds; `placeholders`
measures the result on the other half and on other kinds.
"""

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from benchmarks.placeholder_kinds import VALIDATION_KINDS
from benchmarks.placeholders import CUT_OUT, examine, kind_jobs, photograph_jobs


def main() -> None:
    """Examines, fits and prints."""
    photographs = examine(list(photograph_jobs())[::2])
    drawn = examine(list(kind_jobs(VALIDATION_KINDS)))
    features = np.array(pl.concat([photographs, drawn])["features"].to_list(), dtype=np.float64)
    is_drawn = np.arange(len(features)) >= len(photographs)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    on_white = photographs["source"].is_in([CUT_OUT, "catalog images"]).to_numpy()
    weight = np.concatenate([np.where(on_white, 4.0, 1.0), np.full(len(drawn), len(photographs) / len(drawn))])
    model = LogisticRegression(max_iter=3_000).fit((features - mean) / deviation, is_drawn, sample_weight=weight)
    weights = np.round(model.coef_[0] / deviation, 2)
    bias = round(float(model.intercept_[0] - (model.coef_[0] / deviation * mean).sum()), 2)
    print("WEIGHTS =", tuple(map(float, weights)))
    print("BIAS =", bias)
    scores = 1 / (1 + np.exp(-(features @ weights + bias)))
    for limit in (0.1, 0.2, 0.5, 0.9, 0.98):
        num, share = int((scores[~is_drawn] >= limit).sum()), float((scores[is_drawn] >= limit).mean())
        print(f"{limit}: {num} of {len(photographs):,} photographs, {share:.3f} of the drawn ones")


if __name__ == "__main__":
    main()
