"""Fusion: picture and title as one answer, late or joint, beside what either says alone.

Four classifiers under one fit, so that they differ by what they see and by nothing else: logistic regressions of the
picture's embedding, of the title's, and of both one after the other (the joint head), and the weighted mean of what
the first two say (late fusion). Baltrusaitis et al. 2019 (arXiv:1705.09406, section 6) name the two ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ml.ensembles import LEAST, combined, stacking_weights
from ml.probes import JUDGED_AT_ONCE, WEIGHT_DECAYS, LinearProbe, fit_linear_probes
from ml.vectors import Labelled, Vectors

Inputs = Literal["picture", "title", "late", "joint"]
SINGLE: tuple[Inputs, ...] = ("picture", "title")
INPUTS: tuple[Inputs, ...] = (*SINGLE, "late", "joint")
Posteriors = NDArray[np.float32]  # (num, num_classes)


@dataclass(frozen=True)
class Pairs:
    """Products by picture and title: embeddings (num, dim of pictures) and (num, dim of titles), categories (num,).

    Raises:
        ValueError: there is none, their numbers differ, or an embedding has NaN or an infinite number.
    """

    pictures: Vectors
    titles: Vectors
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        for vectors in (self.pictures, self.titles):
            Labelled(vectors, self.labels)

    def seen(self, inputs: Inputs) -> Labelled:
        """What a classifier of these inputs is fitted on; late fusion is fitted on no embedding."""
        if inputs == "joint":
            return Labelled(np.concatenate([self.pictures, self.titles], axis=1), self.labels)
        return Labelled({"picture": self.pictures, "title": self.titles}[inputs], self.labels)


@dataclass(frozen=True)
class Answers:
    """The category that each of `INPUTS` gives every judged product, (num_judged,), and what validation chose."""

    categories: dict[Inputs, NDArray[np.int64]]
    weight_decays: dict[Inputs, float]  # of the three that are fitted
    title_weight: float  # of the title's answer in late fusion; the picture's is the rest


def fuse(train: Pairs, validation: Pairs, judged: Pairs, device: torch.device) -> Answers:
    """What picture, title and both say of the judged products, learned from `train`.

    Of each regression's weight decays the one counts under which the validation labels are likeliest; late fusion's
    weights are chosen likewise. No label of `judged` is looked at.

    Raises:
        ValueError: dimensions differ, or no validation product is of a category that is trained on.
    """
    classes = np.unique(train.labels)
    targets = _targets(validation.labels, classes)
    if not (targets >= 0).any():
        raise ValueError(
            f"none of {len(targets)} validation products is of the {len(classes)} categories that are trained on; "
            "label more products"
        )
    of_validation, of_judged, weight_decays = {}, {}, {}
    for inputs in (*SINGLE, "joint"):
        fit = _likeliest(train.seen(inputs), validation.seen(inputs), targets, device)
        of_validation[inputs], weight_decays[inputs] = fit.posteriors, fit.weight_decay
        of_judged[inputs] = posteriors(fit.probe, judged.seen(inputs).vectors)
    weights = stacking_weights([of_validation[inputs] for inputs in SINGLE], targets)
    (of_judged["late"],) = combined([(of_judged[inputs],) for inputs in SINGLE], weights.tolist())
    categories = {inputs: classes[of_judged[inputs].argmax(axis=1)] for inputs in INPUTS}
    return Answers(categories, weight_decays, title_weight=float(weights[1]))


def posteriors(probe: LinearProbe, vectors: Vectors) -> Posteriors:
    """The probability of each of a probe's classes, (num, num_classes), given embeddings (num, dim)."""
    parts = []
    with torch.inference_mode():
        for part in torch.split(torch.from_numpy(vectors), JUDGED_AT_ONCE):
            standardised = (part.to(probe.mean.device) - probe.mean) / probe.deviation
            parts.append(F.linear(standardised, probe.weight, probe.bias).softmax(dim=1).cpu())
    probabilities: Posteriors = torch.cat(parts).numpy()
    return probabilities


@dataclass(frozen=True)
class _Fit:
    probe: LinearProbe
    weight_decay: float
    posteriors: Posteriors  # of the validation products


def _likeliest(
    train: Labelled,
    validation: Labelled,
    targets: NDArray[np.intp],
    device: torch.device,
    weight_decays: Sequence[float] = WEIGHT_DECAYS,
) -> _Fit:
    """The fit under which the validation labels are likeliest; of equals the one of the strongest weight decay."""
    train.require_dim(validation)
    strongest_first = sorted(weight_decays, reverse=True)
    fits = [
        _Fit(probe, weight_decay, posteriors(probe, validation.vectors))
        for weight_decay, probe in zip(strongest_first, fit_linear_probes(train, strongest_first, device), strict=True)
    ]
    return max(fits, key=lambda fit: _log_likelihood(fit.posteriors, targets))


def _log_likelihood(probabilities: Posteriors, targets: NDArray[np.intp]) -> float:
    """Of the labels of known classes, the mean."""
    known = np.flatnonzero(targets >= 0)
    return float(np.log(np.maximum(probabilities[known, targets[known]], LEAST)).mean())


def _targets(labels: NDArray[np.int64], classes: NDArray[np.int64]) -> NDArray[np.intp]:
    """The place of each label among the classes, (num,), -1 for one that they lack."""
    places = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    return np.where(classes[places] == labels, places, -1)
