"""Encoder quality: probes, retrieval and collapse metrics of embeddings, without training a network."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ml.embeddings.collapse import alignment, deviations, effective_rank, uniformity
from ml.embeddings.probes import choose_weight_decay, fit_linear_probes, knn_predictions
from ml.embeddings.retrieval import retrieval_scores
from ml.vectors import LabeledEmbeddings, Vectors

DEAD_BELOW = 1e-3  # share of the standard deviation of evenly spread embeddings


@dataclass(frozen=True)
class EncoderQuality:
    """Scores of each evaluated image; means over all images or over a category are the metrics.

    Attributes:
        per_image: The scores (num_images,) by metric: knn_top1, linear_top1, recall_at_1, recall_at_5 and
            mean_average_precision.
        weight_decay: The chosen weight decay of the linear probe.
    """

    per_image: dict[str, NDArray[np.float32]]
    weight_decay: float


def evaluate_embeddings(
    train: LabeledEmbeddings, evaluation: LabeledEmbeddings, is_held_out: NDArray[np.bool_], device: torch.device
) -> EncoderQuality:
    """Evaluates kNN, a linear probe and retrieval on labeled embeddings.

    The linear probe's weight decay is chosen on held-out training images, and the probe is then fitted on all training
    images, so the evaluation images influence no choice.

    Args:
        train: Labeled training embeddings, (num_train, dim).
        evaluation: Labeled embeddings to evaluate, (num_images, dim).
        is_held_out: Training images that choose the weight decay, (num_train,); some, but not all of them.
        device: The device that computes.

    Raises:
        ValueError: No training image is held out, or all are; or the dimensions differ.
    """
    train.require_dim(evaluation)
    fitted = LabeledEmbeddings(train.vectors[~is_held_out], train.labels[~is_held_out])
    weight_decay = choose_weight_decay(
        fitted, LabeledEmbeddings(train.vectors[is_held_out], train.labels[is_held_out]), device
    )
    [probe] = fit_linear_probes(train, [weight_decay], device)
    found = retrieval_scores(train, evaluation, device)
    per_image = {
        "knn_top1": _hits(knn_predictions(train, evaluation.vectors, device), evaluation),
        "linear_top1": _hits(probe.predict(evaluation.vectors), evaluation),
        "recall_at_1": found.recall_at_1,
        "recall_at_5": found.recall_at_5,
        "mean_average_precision": found.average_precision,
    }
    return EncoderQuality(per_image, weight_decay)


def collapse_metrics(embeddings: Vectors, views: tuple[Vectors, Vectors]) -> dict[str, float]:
    """Computes the collapse metrics of an encoder.

    Args:
        embeddings: Embeddings of images, (num, dim).
        views: Embeddings of two random views of the same images, each (num_viewed, dim).

    Returns:
        effective_rank, uniformity, alignment, mean_deviation, and the number of dead_dimensions.
    """
    spread = deviations(embeddings)
    return {
        "effective_rank": effective_rank(embeddings),
        "uniformity": uniformity(embeddings),
        "alignment": alignment(*views),
        "mean_deviation": float(spread.mean()),
        "dead_dimensions": float((spread < DEAD_BELOW).sum()),
    }


def _hits(predicted: NDArray[np.int64], evaluation: LabeledEmbeddings) -> NDArray[np.float32]:
    hits: NDArray[np.float32] = (predicted == evaluation.labels).astype(np.float32)
    return hits
