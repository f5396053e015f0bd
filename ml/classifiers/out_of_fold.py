"""Out-of-fold predictions: what logistic regressions say of each picture whose label they did not learn from."""

import numpy as np
import torch
from numpy.typing import NDArray

from ml.classifiers.logistic import Stopping, fit_logistic
from ml.probes import WEIGHT_DECAYS, choose_weight_decay
from ml.vectors import Labelled

NUM_FOLDS = 5
STOPPING = Stopping(tolerance=1e-6, max_passes=200)
JUDGED_AT_ONCE = 4_096


def folds(targets: NDArray[np.int64], groups: NDArray[np.int64], num_folds: int = NUM_FOLDS) -> NDArray[np.int64]:
    """The fold of every picture, (num,): each class is spread evenly over them, and no group is in two.

    A group of several classes counts as one of its first picture's.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(0).permutation(len(first))
    order = shuffled[np.argsort(targets[first][shuffled], kind="stable")]
    fold_of_group = np.empty(len(first), dtype=np.int64)
    fold_of_group[order] = np.arange(len(first)) % num_folds
    fold: NDArray[np.int64] = fold_of_group[group]
    return fold


def out_of_fold_probabilities(train: Labelled, fold: NDArray[np.int64], device: torch.device) -> NDArray[np.float32]:
    """Probabilities (num, num_classes) of the sorted labels that occur; those of a fold come of the other folds.

    The weight decay is the one that does best on the first fold. A dimension that never changes tells nothing.

    Raises:
        ValueError: there are fewer than two folds.
    """
    numbers = np.unique(fold)
    if len(numbers) < 2:
        raise ValueError(f"{len(numbers)} fold is not enough: what is predicted is not to be learned from")
    classes, encoded = np.unique(train.labels, return_inverse=True)
    held, others = fold == numbers[0], fold != numbers[0]
    weight_decay = choose_weight_decay(
        Labelled(train.vectors[others], train.labels[others]),
        Labelled(train.vectors[held], train.labels[held]),
        device,
        WEIGHT_DECAYS,
    )
    inputs, targets = torch.from_numpy(train.vectors).to(device), torch.from_numpy(encoded).to(device)
    deviation = inputs.std(dim=0, correction=0)
    inputs = (inputs - inputs.mean(dim=0)) / torch.where(deviation > 0, deviation, 1.0)
    probabilities = np.empty((len(inputs), len(classes)), dtype=np.float32)
    for number in numbers.tolist():
        judged = np.flatnonzero(fold == number)
        learned = torch.from_numpy(np.flatnonzero(fold != number)).to(device)
        fitted = fit_logistic(inputs[learned], targets[learned], len(classes), weight_decay, STOPPING)
        for start in range(0, len(judged), JUDGED_AT_ONCE):
            part = judged[start : start + JUDGED_AT_ONCE]
            probabilities[part] = fitted.log_probabilities(inputs[torch.from_numpy(part).to(device)]).exp().cpu()
    return probabilities
