"""Fusion of image and title, late or joint, compared with either alone.

Four classifiers are fitted alike and differ in their inputs only: logistic regressions on the image's embedding, on the
title's and on both concatenated (the joint head), and the weighted mean of the first two's probabilities (late fusion).
Baltrusaitis et al. 2019 (arXiv:1705.09406, section 6) describe both kinds of fusion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ml.classifiers.ensembles import MIN_PROBABILITY, combined, stacking_weights
from ml.embeddings.probes import ROWS_AT_ONCE, WEIGHT_DECAYS, LinearProbe, fit_linear_probes
from ml.vectors import LabeledEmbeddings, Vectors

Inputs = Literal["image", "title", "late", "joint"]
SINGLE: tuple[Inputs, ...] = ("image", "title")
INPUTS: tuple[Inputs, ...] = (*SINGLE, "late", "joint")
Posteriors = NDArray[np.float32]  # (num, num_classes)


@dataclass(frozen=True)
class Pairs:
    """Products: embeddings of images (num, image_dim) and of titles (num, title_dim), and labels (num,).

    Raises:
        ValueError: there is none, the numbers differ, or an embedding is not finite.
    """

    images: Vectors
    titles: Vectors
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        for vectors in (self.images, self.titles):
            LabeledEmbeddings(vectors, self.labels)

    def labeled(self, inputs: Inputs) -> LabeledEmbeddings:
        """Return the labeled embeddings for "image", "title" or "joint"; late fusion is not fitted on embeddings."""
        if inputs == "joint":
            return LabeledEmbeddings(np.concatenate([self.images, self.titles], axis=1), self.labels)
        return LabeledEmbeddings({"image": self.images, "title": self.titles}[inputs], self.labels)


@dataclass(frozen=True)
class FusionPredictions:
    """The categories predicted from each of `INPUTS`, (num_evaluated,), and the choices made on validation products."""

    categories: dict[Inputs, NDArray[np.int64]]
    weight_decays: dict[Inputs, float]  # of the three regressions
    title_weight: float  # of the title in late fusion; the image has the rest


def fuse(train: Pairs, validation: Pairs, evaluated: Pairs, device: torch.device) -> FusionPredictions:
    """Fit on `train`, choose on `validation`, and predict the categories of `evaluated`, whose labels are not used.

    Weight decays and the weights of late fusion are those of maximum likelihood on the validation labels.

    Raises:
        ValueError: dimensions differ, or no validation product has a category of the training products.
    """
    classes = np.unique(train.labels)
    targets = _targets(validation.labels, classes)
    if not (targets >= 0).any():
        raise ValueError(
            f"none of {len(targets)} validation products has one of the {len(classes)} categories of training "
            "products; label more products"
        )
    of_validation, of_evaluated, weight_decays = {}, {}, {}
    for inputs in (*SINGLE, "joint"):
        fit = _likeliest(train.labeled(inputs), validation.labeled(inputs), targets, device)
        of_validation[inputs], weight_decays[inputs] = fit.posteriors, fit.weight_decay
        of_evaluated[inputs] = posteriors(fit.probe, evaluated.labeled(inputs).vectors)
    weights = stacking_weights([of_validation[inputs] for inputs in SINGLE], targets)
    (of_evaluated["late"],) = combined([(of_evaluated[inputs],) for inputs in SINGLE], weights.tolist())
    categories = {inputs: classes[of_evaluated[inputs].argmax(axis=1)] for inputs in INPUTS}
    return FusionPredictions(categories, weight_decays, title_weight=float(weights[1]))


def posteriors(probe: LinearProbe, vectors: Vectors) -> Posteriors:
    """Return the probabilities of a probe's classes, (num, num_classes), for embeddings (num, dim)."""
    parts = []
    with torch.inference_mode():
        for part in torch.split(torch.from_numpy(vectors), ROWS_AT_ONCE):
            standardized = (part.to(probe.mean.device) - probe.mean) / probe.deviation
            parts.append(F.linear(standardized, probe.weight, probe.bias).softmax(dim=1).cpu())
    probabilities: Posteriors = torch.cat(parts).numpy()
    return probabilities


@dataclass(frozen=True)
class _Fit:
    probe: LinearProbe
    weight_decay: float
    posteriors: Posteriors  # of the validation products


def _likeliest(
    train: LabeledEmbeddings,
    validation: LabeledEmbeddings,
    targets: NDArray[np.intp],
    device: torch.device,
    weight_decays: Sequence[float] = WEIGHT_DECAYS,
) -> _Fit:
    """Return the fit of maximum likelihood on validation; ties go to the strongest weight decay."""
    train.require_dim(validation)
    strongest_first = sorted(weight_decays, reverse=True)
    fits = [
        _Fit(probe, weight_decay, posteriors(probe, validation.vectors))
        for weight_decay, probe in zip(strongest_first, fit_linear_probes(train, strongest_first, device), strict=True)
    ]
    return max(fits, key=lambda fit: _log_likelihood(fit.posteriors, targets))


def _log_likelihood(probabilities: Posteriors, targets: NDArray[np.intp]) -> float:
    """The mean over images whose label is a known class."""
    known = np.flatnonzero(targets >= 0)
    return float(np.log(np.maximum(probabilities[known, targets[known]], MIN_PROBABILITY)).mean())


def _targets(labels: NDArray[np.int64], classes: NDArray[np.int64]) -> NDArray[np.intp]:
    """The position of each label among the classes, (num,); -1 for an unknown one."""
    positions = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    return np.where(classes[positions] == labels, positions, -1)
