"""Label noise: which labels are probably wrong, by confident learning (Northcutt et al. 2021, arXiv:1911.00068).

A label is suspect where predictions of a model that never saw it are surer of another one than they usually are of
that. How many of each pair of labels are wrong is estimated from all of them (the confident joint), and so many are
suspect, the least probable first: cleanlab's own implementation of its authors' paper.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

SUSPECTS_SCHEMA = {
    "position": pl.Int64,
    "given": pl.Int64,
    "suggested": pl.Int64,
    "score": pl.Float64,
    "suggested_probability": pl.Float64,
}


def suspect_labels(given: NDArray[np.int64], probabilities: NDArray[np.floating]) -> pl.DataFrame:
    """Labels (num,) that are probably wrong, the most suspect first, with the columns `SUSPECTS_SCHEMA`.

    `given` are classes, each of which occurs; `probabilities` (num, num_classes) come of models that did not learn
    from the label in question. The score is the probability of the given class: the lower, the more suspect.

    Raises ValueError where shapes do not fit, a class does not occur, or a probability is not a number.
    """
    if probabilities.ndim != 2 or given.shape != probabilities.shape[:1] or len(given) == 0:
        raise ValueError(
            f"labels are {given.shape}, probabilities {probabilities.shape}; expected (num > 0,) and (num, num_classes)"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not a finite number; were the embeddings finite?")
    num_classes = probabilities.shape[1]
    missing = np.setdiff1d(np.arange(num_classes), given)
    if len(missing) or given.min() < 0 or given.max() >= num_classes:
        raise ValueError(
            f"labels are {len(np.unique(given))} classes within {given.min()}..{given.max()} for {num_classes} columns "
            "of probabilities; leave out classes without a label"
        )
    suspects = _suspects(given, probabilities) if num_classes > 1 else np.empty(0, dtype=np.int64)
    suggested = probabilities[suspects].argmax(axis=1)
    return pl.DataFrame(
        {
            "position": suspects,
            "given": given[suspects],
            "suggested": suggested,
            "score": probabilities[suspects, given[suspects]].astype(np.float64),
            "suggested_probability": probabilities[suspects, suggested].astype(np.float64),
        },
        schema=SUSPECTS_SCHEMA,
    )


def _suspects(given: NDArray[np.int64], probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Positions, the lowest score first; a label that is the model's own first choice is none."""
    from cleanlab.filter import find_label_issues

    found = find_label_issues(
        given, probabilities, filter_by="prune_by_noise_rate", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    positions = np.asarray(found, dtype=np.int64)
    differing: NDArray[np.int64] = positions[probabilities[positions].argmax(axis=1) != given[positions]]
    return differing
