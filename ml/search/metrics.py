"""Metrics of a search: one number for a trial's predictions, higher is better; one line each in `METRICS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.name_suggestions import suggest_names

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]
# True ids (num,), predicted ids (num, k), best first, and the value of each id -> from 0 to 1.
Metric = Callable[[Ids, Ids, Mapping[int, float]], float]


def top1(true: Ids, best: Ids, values: Mapping[int, float]) -> float:
    """Return the share of images whose best category is the true one."""
    return float((best[:, 0] == true).mean())


def top5(true: Ids, best: Ids, values: Mapping[int, float]) -> float:
    """Return the share of images whose true category is among the five best."""
    return float((best[:, :5] == true[:, None]).any(axis=1).mean())


def balanced_accuracy(true: Ids, best: Ids, values: Mapping[int, float]) -> float:
    """Return the mean recall over the true categories."""
    return float(_recalls(true, best)[1].mean())


def value_weighted_accuracy(true: Ids, best: Ids, values: Mapping[int, float]) -> float:
    """Return the mean recall over the true categories, weighted by their values.

    Raises:
        ValueError: no true category has a value.
    """
    categories, recalls = _recalls(true, best)
    weights = np.array([values.get(int(category), 0.0) for category in categories])
    if not weights.sum() > 0:
        raise ValueError("no category of the validation labels has a business value; add it to business_value.csv")
    return float(recalls @ weights / weights.sum())


METRICS: dict[str, Metric] = {
    "top1": top1,
    "top5": top5,
    "balanced_accuracy": balanced_accuracy,
    "value_weighted_accuracy": value_weighted_accuracy,
}


@dataclass(frozen=True)
class Score:
    """A metric by its name, with the values of the categories.

    Raises:
        ValueError: the name is unknown.
    """

    metric: str
    values: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"unknown metric {self.metric!r}; {suggest_names(self.metric, METRICS)}")

    def __call__(self, true: Ids, best: NDArray[Any]) -> float:
        """Return the metric of true ids (num,) and predicted ids (num, k), best first."""
        return METRICS[self.metric](true, best, self.values)


def _recalls(true: Ids, best: Ids) -> tuple[Ids, Floats]:
    """The true categories and their recalls, both (num_categories,)."""
    categories, encoded = np.unique(true, return_inverse=True)
    hits = np.bincount(encoded, best[:, 0] == true, len(categories))
    recalls: Floats = hits / np.bincount(encoded, minlength=len(categories))
    return categories, recalls
