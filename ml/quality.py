"""Quality: every figure of an encoder's embeddings in one go, none of which trains a network."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ml.collapse import alignment, deviations, effective_rank, uniformity
from ml.probes import choose_weight_decay, fit_linear_probes, knn_predictions
from ml.retrieval import retrieval
from ml.vectors import Labelled, Vectors

DEAD_BELOW = 1e-3  # of the deviation that an even spread would give


@dataclass(frozen=True)
class Judgement:
    """What came of each judged picture, (num_judged,) a metric, and the weight decay that the linear probe was given.

    A figure, of all or of a category, is the mean of its pictures.
    """

    by_picture: dict[str, NDArray[np.float32]]
    weight_decay: float


def judge(train: Labelled, judged: Labelled, chosen_on: NDArray[np.bool_], device: torch.device) -> Judgement:
    """Both probes, learned from `train`, and retrieval in it, for each judged picture.

    `chosen_on` (num_train,) are the training pictures that choose the linear probe's weight decay, fitted on the
    others; then it is fitted on all of them. So what judges has chosen nothing.

    Raises:
        ValueError: no training picture, or every one, is left for choosing; dimensions differ.
    """
    train.require_dim(judged)
    fitted = Labelled(train.vectors[~chosen_on], train.labels[~chosen_on])
    weight_decay = choose_weight_decay(fitted, Labelled(train.vectors[chosen_on], train.labels[chosen_on]), device)
    [probe] = fit_linear_probes(train, [weight_decay], device)
    found = retrieval(train, judged, device)
    by_picture = {
        "knn_top1": _hits(knn_predictions(train, judged.vectors, device), judged),
        "linear_top1": _hits(probe.predict(judged.vectors), judged),
        "recall_at_1": found.recall_at_1,
        "recall_at_5": found.recall_at_5,
        "mean_average_precision": found.average_precision,
    }
    return Judgement(by_picture, weight_decay)


def collapse_figures(embeddings: Vectors, views: tuple[Vectors, Vectors]) -> dict[str, float]:
    """The collapse monitors of embeddings (num, dim), and of two views' embeddings (num_viewed, dim each)."""
    spread = deviations(embeddings)
    return {
        "effective_rank": effective_rank(embeddings),
        "uniformity": uniformity(embeddings),
        "alignment": alignment(*views),
        "mean_deviation": float(spread.mean()),
        "dead_dimensions": float((spread < DEAD_BELOW).sum()),
    }


def _hits(predicted: NDArray[np.int64], judged: Labelled) -> NDArray[np.float32]:
    hits: NDArray[np.float32] = (predicted == judged.labels).astype(np.float32)
    return hits
