"""Label noise: finds probably wrong labels by confident learning (Northcutt et al. 2021, arXiv:1911.00068).

A label is suspect where a model that was not trained on it is more confident of another class than it usually is for
that class. The number of wrong labels for each pair of classes is estimated from all labels (the confident joint), and
that many are suspect, the least probable first. The implementation is cleanlab's, by the paper's authors.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

SUSPECTS_SCHEMA = {
    "position": pl.Int64,
    "label": pl.Int64,
    "suggested": pl.Int64,
    "score": pl.Float64,
    "suggested_probability": pl.Float64,
}


def suspect_labels(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> pl.DataFrame:
    """Returns the labels that are probably wrong, the most suspect first, with the columns `SUSPECTS_SCHEMA`.

    The score is the predicted probability of the label: the lower, the more suspect.

    Args:
        labels: class of each sample, (num,); every class occurs.
        probabilities: out-of-fold predictions, (num, num_classes).

    Raises:
        ValueError: shapes do not match, a class does not occur, or a probability is not finite.
    """
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or len(labels) == 0:
        raise ValueError(
            f"labels are {labels.shape}, probabilities {probabilities.shape}; "
            "expected (num > 0,) and (num, num_classes)"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not a finite number; were the embeddings finite?")
    num_classes = probabilities.shape[1]
    missing = np.setdiff1d(np.arange(num_classes), labels)
    if len(missing) or labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels are {len(np.unique(labels))} classes within {labels.min()}..{labels.max()} for "
            f"{num_classes} columns of probabilities; leave out classes without a label"
        )
    suspects = _suspects(labels, probabilities) if num_classes > 1 else np.empty(0, dtype=np.int64)
    suggested = probabilities[suspects].argmax(axis=1)
    return pl.DataFrame(
        {
            "position": suspects,
            "label": labels[suspects],
            "suggested": suggested,
            "score": probabilities[suspects, labels[suspects]].astype(np.float64),
            "suggested_probability": probabilities[suspects, suggested].astype(np.float64),
        },
        schema=SUSPECTS_SCHEMA,
    )


def _suspects(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Returns positions, the lowest score first, without labels that are the model's own prediction."""
    from cleanlab.filter import find_label_issues

    found = find_label_issues(
        labels, probabilities, filter_by="prune_by_noise_rate", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    positions = np.asarray(found, dtype=np.int64)
    differing: NDArray[np.int64] = positions[probabilities[positions].argmax(axis=1) != labels[positions]]
    return differing
