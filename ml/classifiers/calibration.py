"""Temperature scaling calibrates probabilities (Guo et al. 2017, arXiv:1706.04599).

One number, fitted on validation images, divides the log-probabilities; the order of the classes does not change.

If the few validation images of a small catalog are all right, their likelihood grows with ever more confident
predictions, up to probabilities of 1 for every image. A prior on the temperature prevents that: the density of
1 / temperature is Gamma with its mode at 1, whose weight is that of a single image, so that hundreds of images outweigh
it.
"""

import numpy as np
from numpy.typing import NDArray

from ml.classifiers.hierarchy import UNKNOWN, Ids

Floats = NDArray[np.float64]

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
PRIOR_IMAGES = 1.0
TOLERANCE = 1e-6
MAX_STEPS = 60
MIN_LOG_PROBABILITY = -60.0  # in place of minus infinity


def fit_temperature(log_probabilities: NDArray[np.floating], targets: Ids) -> float:
    """Return the most probable temperature given the validation images, within 0.05 to 20.

    Its log-density is concave in 1 / temperature: Newton steps, with bisection where a step leaves the bracket.

    Args:
        log_probabilities: (num, num_classes), of any level.
        targets: classes, (num,); `UNKNOWN` is ignored.

    Raises:
        ValueError: no image has a class that the classifier knows.
    """
    known = np.flatnonzero(targets != UNKNOWN)
    if len(known) == 0:
        raise ValueError(
            f"none of {len(targets)} validation images has a class that the classifier knows; a temperature is "
            "fitted on at least one"
        )
    logits = _finite(log_probabilities[known])
    of_target = logits[np.arange(len(known)), targets[known]]
    low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    inverse = 1.0
    prior = PRIOR_IMAGES / len(known)
    for _ in range(MAX_STEPS):
        probabilities = np.exp(_normalized(logits * inverse))
        mean = (probabilities * logits).sum(axis=1)
        # Of the mean negative log-density, up to a constant: prior * (inverse - log(inverse)) and the likelihood.
        slope = float((mean - of_target).mean()) + prior * (1 - 1 / inverse)
        curvature = float(((probabilities * logits**2).sum(axis=1) - mean**2).mean()) + prior / inverse**2
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        step = inverse - slope / curvature
        updated = step if low < step < high else (low + high) / 2
        if abs(updated - inverse) <= TOLERANCE * inverse:
            break
        inverse = updated
    return 1 / inverse


def at_temperature(log_probabilities: NDArray[np.floating], temperature: float) -> Floats:
    """Return log-probabilities (num, num_classes) at a temperature; one above 1 makes them less confident."""
    return _normalized(_finite(log_probabilities) / temperature)


def _finite(log_probabilities: NDArray[np.floating]) -> Floats:
    return np.maximum(log_probabilities.astype(np.float64), MIN_LOG_PROBABILITY)


def _normalized(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalized: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalized
