"""Probes: how much of the categories an encoder's embeddings tell, with no network trained on top.

Both learn from labelled embeddings of the training split and are judged on those of the validation split; the golden
and the test split are for classifiers alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ml.classifiers.logistic import Stopping, fit_logistic
from ml.neighbours import nearest
from ml.vectors import Labelled, Vectors, checked

TEMPERATURE = 0.07
NUM_NEIGHBOURS = 20
WEIGHT_DECAYS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
MAX_PASSES = 100  # over the embeddings, for each weight decay
JUDGED_AT_ONCE = 1024


def knn_predictions(
    train: Labelled,
    judged: Vectors,
    device: torch.device,
    k: int = NUM_NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> NDArray[np.int64]:
    """The category (num_judged,) that the `k` nearest training embeddings vote for, each by exp(cosine / temperature).

    The weighted kNN of Wu et al. 2018 (arXiv:1805.01978, section 3.4), with the values that DINO reports (Caron et al.
    2021, arXiv:2104.14294). Fewer training embeddings than `k` vote all.

    Raises:
        ValueError: no embedding, another dimension, NaN, or `k` or the temperature is not positive.
    """
    if k < 1 or temperature <= 0:
        raise ValueError(f"k is {k} and the temperature {temperature}; both have to be positive")
    found = nearest(judged, train.vectors, min(k, len(train.vectors)), device)
    classes, encoded = np.unique(train.labels, return_inverse=True)
    weights = torch.from_numpy(found.similarities).div(temperature).exp()
    voted = torch.from_numpy(encoded[found.positions])
    best = [
        torch.zeros(len(part), len(classes)).scatter_add_(1, part, weight).argmax(dim=1)
        for part, weight in zip(torch.split(voted, JUDGED_AT_ONCE), torch.split(weights, JUDGED_AT_ONCE), strict=True)
    ]
    predicted: NDArray[np.int64] = classes[torch.cat(best).numpy()]
    return predicted


@dataclass(frozen=True)
class LinearProbe:
    """A multinomial logistic regression on standardised embeddings."""

    mean: Tensor  # (dim,), as `deviation`
    deviation: Tensor
    weight: Tensor  # (num_classes, dim)
    bias: Tensor  # (num_classes,)
    classes: NDArray[np.int64]

    def predict(self, vectors: Vectors) -> NDArray[np.int64]:
        """The most probable category (num,) of embeddings (num, dim); ValueError for another dimension or NaN."""
        inputs = torch.from_numpy(checked(vectors, "embeddings to be judged", dim=len(self.mean)))
        with torch.inference_mode():
            best = [self._logits(part).argmax(dim=1).cpu() for part in torch.split(inputs, JUDGED_AT_ONCE)]
        predicted: NDArray[np.int64] = self.classes[torch.cat(best).numpy()]
        return predicted

    def _logits(self, part: Tensor) -> Tensor:
        standardised = (part.to(self.mean.device) - self.mean) / self.deviation
        return F.linear(standardised, self.weight, self.bias)


def fit_linear_probes(
    train: Labelled, weight_decays: Sequence[float], device: torch.device, max_passes: int = MAX_PASSES
) -> Iterator[LinearProbe]:
    """The linear probe of each weight decay in turn, each fit starting where the one before ended.

    It minimises the mean cross entropy + weight_decay * |weight|^2 / 2 (the bias is free), as Kornblith et al. 2019
    (arXiv:1805.08974) and CLIP (Radford et al. 2021, arXiv:2103.00020, A.3) evaluate encoders. A dimension
    that never changes is left as it is.
    """
    classes, encoded = np.unique(train.labels, return_inverse=True)
    inputs, targets = torch.from_numpy(train.vectors).to(device), torch.from_numpy(encoded).to(device)
    mean, deviation = inputs.mean(dim=0), inputs.std(dim=0, correction=0)
    deviation = torch.where(deviation > 0, deviation, 1.0)
    inputs = (inputs - mean) / deviation
    fitted = None
    for weight_decay in weight_decays:
        fitted = fit_logistic(inputs, targets, len(classes), weight_decay, Stopping(max_passes=max_passes), fitted)
        yield LinearProbe(mean, deviation, fitted.weight, fitted.bias, classes)


def choose_weight_decay(
    train: Labelled, validation: Labelled, device: torch.device, weight_decays: Sequence[float] = WEIGHT_DECAYS
) -> float:
    """The weight decay whose probe of `train` is right most often on `validation`; of equally good ones, the strongest.

    Raises:
        ValueError: there is no weight decay to choose from, or the dimensions differ.
    """
    if not weight_decays:
        raise ValueError("there is no weight decay to choose from; give at least one")
    strongest_first = sorted(weight_decays, reverse=True)
    probes = fit_linear_probes(train, strongest_first, device)
    accuracies = [float((probe.predict(validation.vectors) == validation.labels).mean()) for probe in probes]
    return strongest_first[int(np.argmax(accuracies))]
