"""Probes: kNN and linear classifiers on frozen embeddings, which measure how well an encoder separates categories.

Both fit labeled embeddings of the training split and are evaluated on the validation split; the golden and the test
split are reserved for classifiers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ml.embeddings.logistic import Stopping, fit_logistic
from ml.embeddings.neighbors import nearest
from ml.vectors import LabeledEmbeddings, Vectors, checked

TEMPERATURE = 0.07
NUM_NEIGHBORS = 20
WEIGHT_DECAYS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
MAX_PASSES = 100  # over the embeddings, for each weight decay
ROWS_AT_ONCE = 1024


def knn_predictions(
    train: LabeledEmbeddings,
    queries: Vectors,
    device: torch.device,
    k: int = NUM_NEIGHBORS,
    temperature: float = TEMPERATURE,
) -> NDArray[np.int64]:
    """Predicts categories with a weighted kNN: the nearest training embeddings vote with exp(cosine / temperature).

    Args:
        train: Labeled embeddings (num_train, dim).
        queries: Embeddings (num_queries, dim).
        device: The device that computes.
        k: Number of voting neighbors; all training embeddings if there are fewer.
        temperature: Sharpness of the votes.

    Returns:
        The predicted categories, (num_queries,).

    Raises:
        ValueError: There are no embeddings, dimensions differ, values are NaN, or `k` or the temperature is not
            positive.

    Source:
        Wu et al. 2018, arXiv:1805.01978, section 3.4, with the hyperparameters of DINO (arXiv:2104.14294).
    """
    if k < 1 or temperature <= 0:
        raise ValueError(f"k is {k} and the temperature {temperature}; both have to be positive")
    found = nearest(queries, train.vectors, min(k, len(train.vectors)), device)
    classes, encoded = np.unique(train.labels, return_inverse=True)
    weights = torch.from_numpy(found.similarities).div(temperature).exp()
    voted = torch.from_numpy(encoded[found.positions])
    best = [
        torch.zeros(len(part), len(classes)).scatter_add_(1, part, weight).argmax(dim=1)
        for part, weight in zip(torch.split(voted, ROWS_AT_ONCE), torch.split(weights, ROWS_AT_ONCE), strict=True)
    ]
    predicted: NDArray[np.int64] = classes[torch.cat(best).numpy()]
    return predicted


@dataclass(frozen=True)
class LinearProbe:
    """A multinomial logistic regression on standardized embeddings."""

    mean: Tensor  # (dim,)
    deviation: Tensor  # (dim,)
    weight: Tensor  # (num_classes, dim)
    bias: Tensor  # (num_classes,)
    classes: NDArray[np.int64]

    def predict(self, vectors: Vectors) -> NDArray[np.int64]:
        """Predicts the category (num,) of embeddings (num, dim); raises ValueError for another dimension or NaN."""
        inputs = torch.from_numpy(checked(vectors, "embeddings", dim=len(self.mean)))
        with torch.inference_mode():
            best = [self._logits(part).argmax(dim=1).cpu() for part in torch.split(inputs, ROWS_AT_ONCE)]
        predicted: NDArray[np.int64] = self.classes[torch.cat(best).numpy()]
        return predicted

    def _logits(self, part: Tensor) -> Tensor:
        standardized = (part.to(self.mean.device) - self.mean) / self.deviation
        return F.linear(standardized, self.weight, self.bias)


def fit_linear_probes(
    train: LabeledEmbeddings, weight_decays: Sequence[float], device: torch.device, max_passes: int = MAX_PASSES
) -> Iterator[LinearProbe]:
    """Fits a linear probe for each weight decay in turn, each starting from the previous solution.

    A probe minimizes the mean cross entropy + weight_decay * |weight|^2 / 2, without a penalty on the bias, on
    embeddings standardized by their mean and standard deviation. Constant dimensions are only centered.

    Args:
        train: Labeled embeddings (num, dim).
        weight_decays: The penalties, preferably the strongest first.
        device: The device that computes.
        max_passes: Maximal number of passes over the embeddings per fit.

    Yields:
        One probe for each weight decay, in the same order.

    Source:
        Kornblith et al. 2019, arXiv:1805.08974; CLIP, Radford et al. 2021, arXiv:2103.00020, A.3.
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
    train: LabeledEmbeddings,
    validation: LabeledEmbeddings,
    device: torch.device,
    weight_decays: Sequence[float] = WEIGHT_DECAYS,
) -> float:
    """Chooses the weight decay with the highest accuracy on `validation`; of equally good ones, the strongest.

    Args:
        train: Labeled embeddings to fit, (num_train, dim).
        validation: Labeled embeddings to evaluate, (num_validation, dim).
        device: The device that computes.
        weight_decays: The candidates.

    Raises:
        ValueError: There are no candidates, or the dimensions differ.
    """
    if not weight_decays:
        raise ValueError("there are no weight decays to choose from; give at least one")
    strongest_first = sorted(weight_decays, reverse=True)
    probes = fit_linear_probes(train, strongest_first, device)
    accuracies = [float((probe.predict(validation.vectors) == validation.labels).mean()) for probe in probes]
    return strongest_first[int(np.argmax(accuracies))]
