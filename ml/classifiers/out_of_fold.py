"""Out-of-fold predictions: logistic regressions predict each image without training on its label."""

import numpy as np
import torch
from numpy.typing import NDArray

from ml.embeddings.logistic import Stopping, fit_logistic
from ml.embeddings.probes import WEIGHT_DECAYS, choose_weight_decay
from ml.vectors import LabeledEmbeddings

NUM_FOLDS = 5
STOPPING = Stopping(tolerance=1e-6, max_passes=200)
BATCH = 4_096


def folds(targets: NDArray[np.int64], groups: NDArray[np.int64], num_folds: int = NUM_FOLDS) -> NDArray[np.int64]:
    """Return the fold of every image, (num,): classes are spread evenly, and no group is in two folds.

    Args:
        targets: classes, (num,); a group of several classes counts as that of its first image.
        groups: group numbers, (num,).
        num_folds: folds are numbered from 0.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(0).permutation(len(first))
    order = shuffled[np.argsort(targets[first][shuffled], kind="stable")]
    fold_of_group = np.empty(len(first), dtype=np.int64)
    fold_of_group[order] = np.arange(len(first)) % num_folds
    fold: NDArray[np.int64] = fold_of_group[group]
    return fold


def out_of_fold_probabilities(
    train: LabeledEmbeddings, fold: NDArray[np.int64], device: torch.device
) -> NDArray[np.float32]:
    """Predict the images of each fold by a regression fitted on the other folds.

    The weight decay is the most accurate one on the first fold.

    Args:
        train: labeled embeddings, (num, dim).
        fold: of `folds`, (num,).
        device: where to compute.

    Returns:
        Probabilities, (num, num_classes), of the labels that occur, sorted.

    Raises:
        ValueError: there are fewer than two folds.
    """
    numbers = np.unique(fold)
    if len(numbers) < 2:
        raise ValueError(f"{len(numbers)} fold is not enough; give at least 2, to predict each by the others")
    classes, encoded = np.unique(train.labels, return_inverse=True)
    first, others = fold == numbers[0], fold != numbers[0]
    weight_decay = choose_weight_decay(
        LabeledEmbeddings(train.vectors[others], train.labels[others]),
        LabeledEmbeddings(train.vectors[first], train.labels[first]),
        device,
        WEIGHT_DECAYS,
    )
    inputs, targets = torch.from_numpy(train.vectors).to(device), torch.from_numpy(encoded).to(device)
    deviation = inputs.std(dim=0, correction=0)
    inputs = (inputs - inputs.mean(dim=0)) / torch.where(deviation > 0, deviation, 1.0)
    probabilities = np.empty((len(inputs), len(classes)), dtype=np.float32)
    for number in numbers.tolist():
        predicted = np.flatnonzero(fold == number)
        training = torch.from_numpy(np.flatnonzero(fold != number)).to(device)
        fitted = fit_logistic(inputs[training], targets[training], len(classes), weight_decay, STOPPING)
        for start in range(0, len(predicted), BATCH):
            part = predicted[start : start + BATCH]
            probabilities[part] = fitted.log_probabilities(inputs[torch.from_numpy(part).to(device)]).exp().cpu()
    return probabilities
