"""Temperature scaling: probabilities that are as often right as they say (Guo et al. 2017, arXiv:1706.04599).

One number, fitted on validation pictures, divides the log-probabilities; the order of the classes stays.
"""

import numpy as np
from numpy.typing import NDArray

from ml.classifiers.hierarchy import UNKNOWN, Ids

Floats = NDArray[np.float64]

LEAST, MOST = 0.05, 20.0  # where every picture is right, or none better than by chance, the likeliest has no bound
TOLERANCE = 1e-6
MAX_STEPS = 60
LEAST_LOG = -60.0  # what was ruled out, as if it were all but ruled out


def fit_temperature(log_probabilities: NDArray[np.floating], targets: Ids) -> float:
    """The temperature under which the classes (num,) of validation pictures are likeliest, within 0.05 to 20.

    `log_probabilities` is (num, num_classes), of any level; a target that training never saw (`UNKNOWN`) tells nothing.
    The likelihood is concave in 1 / temperature: Newton's steps, and halvings of what is left where one leaves it.

    Raises:
        ValueError: no picture has a class that the classifier knows.
    """
    known = np.flatnonzero(targets != UNKNOWN)
    if len(known) == 0:
        raise ValueError(
            f"none of {len(targets)} validation pictures has a class that the classifier knows; a temperature is "
            "fitted on at least one"
        )
    logits = _finite(log_probabilities[known])
    wanted = logits[np.arange(len(known)), targets[known]]
    low, high = 1 / MOST, 1 / LEAST
    inverse = 1.0
    for _ in range(MAX_STEPS):
        probabilities = np.exp(_normalised(logits * inverse))
        mean = (probabilities * logits).sum(axis=1)
        slope = float((mean - wanted).mean())  # of the negative log-likelihood
        curvature = float(((probabilities * logits**2).sum(axis=1) - mean**2).mean())
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        step = inverse - slope / curvature if curvature > 0 else np.inf
        moved = step if low < step < high else (low + high) / 2
        if abs(moved - inverse) <= TOLERANCE * inverse:
            break
        inverse = moved
    return 1 / inverse


def at_temperature(log_probabilities: NDArray[np.floating], temperature: float) -> Floats:
    """Log-probabilities (num, num_classes) at a temperature; above 1 all are less sure."""
    return _normalised(_finite(log_probabilities) / temperature)


def _finite(log_probabilities: NDArray[np.floating]) -> Floats:
    return np.maximum(log_probabilities.astype(np.float64), LEAST_LOG)


def _normalised(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalised: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised
