"""Scores: how well predictions agree with the labels, each with the interval that chance alone would give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

NO_PREDICTION = -1  # pads lists of fewer than k best
SCORE_SCHEMA = {
    "metric": pl.String,
    "value": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "num_samples": pl.Int64,
}
_COUNTS_PER_CHUNK = 1 << 20  # 8 MiB of float64


@dataclass(frozen=True)
class Judged:
    """Samples of one taxonomy level: what they are, (n,), and what they were taken for, best first, (n, k).

    `values` is the business value of the level's categories (`business_value.values_at_level`); a category
    that it lacks weighs nothing. Raises `ValueError` for no samples, other shapes, or a sample without a
    prediction.
    """

    true_ids: Ids
    top_ids: Ids
    values: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.true_ids.ndim != 1 or self.top_ids.ndim != 2 or len(self.true_ids) != len(self.top_ids):
            raise ValueError(
                f"true_ids is {self.true_ids.shape}, top_ids {self.top_ids.shape}; expected (n,) and (n, k)"
            )
        if self.top_ids.size == 0:
            raise ValueError("there is no sample to score; was the evaluation set empty?")
        if (self.true_ids == NO_PREDICTION).any() or (self.top_ids[:, 0] == NO_PREDICTION).any():
            raise ValueError(f"a sample lacks its label or its prediction (id {NO_PREDICTION}); leave it out")

    @cached_property
    def classes(self) -> Ids:
        """The ids that occur as label or as best prediction, ascending."""
        return np.union1d(self.true_ids, self.top_ids[:, 0])

    @cached_property
    def true(self) -> NDArray[np.intp]:
        """The labels as positions in `classes`, (n,)."""
        return np.searchsorted(self.classes, self.true_ids)

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """The best predictions as positions in `classes`, (n,)."""
        return np.searchsorted(self.classes, self.top_ids[:, 0])

    @cached_property
    def hits(self) -> Floats:
        """1 where the best prediction is the label, (n,)."""
        hits: Floats = (self.true == self.predicted).astype(np.float64)
        return hits


# A metric of every resample at once: counts (r, n) says how often each draws each sample -> (r,). So the
# bootstrap copies no sample, and the score itself is the metric of one row of ones.
Metric = Callable[[Judged, Floats], Floats]


def top1(judged: Judged, counts: Floats) -> Floats:
    """The share of samples whose best prediction is their label."""
    shares: Floats = (counts @ judged.hits) / counts.sum(axis=1)
    return shares


def top5(judged: Judged, counts: Floats) -> Floats:
    """The share of samples whose label is among the five best predictions."""
    hits = (judged.top_ids[:, :5] == judged.true_ids[:, None]).any(axis=1).astype(np.float64)
    shares: Floats = (counts @ hits) / counts.sum(axis=1)
    return shares


def macro_f1(judged: Judged, counts: Floats) -> Floats:
    """The mean F1 of the classes that occur in truth or prediction, as scikit-learn's `average="macro"`."""
    num_true = _sums_by_class(judged, judged.true, counts)
    num_predicted = _sums_by_class(judged, judged.predicted, counts)
    num_hits = _sums_by_class(judged, judged.true, counts * judged.hits)
    occurring = num_true + num_predicted  # F1 = 2 hits / (true + predicted)
    f1 = np.divide(2 * num_hits, occurring, out=np.zeros_like(occurring), where=occurring > 0)
    means: Floats = f1.sum(axis=1) / (occurring > 0).sum(axis=1)
    return means


def value_weighted_accuracy(judged: Judged, counts: Floats) -> Floats:
    """The share of units sold whose pictures are placed right: the recalls of the classes, weighted by value.

    Only classes that occur as label can be judged, so the values of these make the whole. A class weighs what
    it sells however many samples it has. At an upper level a node's recall is over its samples as they come,
    so a leaf weighs there by its samples: an upper level may score below a lower one where leaves are sampled
    otherwise than they sell. NaN for a resample that drew no class of value.
    """
    values = np.array([judged.values.get(int(category_id), 0.0) for category_id in judged.classes])
    num_true = _sums_by_class(judged, judged.true, counts)
    num_hits = _sums_by_class(judged, judged.true, counts * judged.hits)
    recalls = np.divide(num_hits, num_true, out=np.zeros_like(num_true), where=num_true > 0)
    total = (num_true > 0) @ values
    weighted: Floats = np.divide(recalls @ values, total, out=np.full(len(counts), np.nan), where=total > 0)
    return weighted


METRICS: dict[str, Metric] = {
    "top1": top1,
    "top5": top5,
    "macro_f1": macro_f1,
    "value_weighted_accuracy": value_weighted_accuracy,
}


def score(judged: Judged, *, resamples: int = 1000, seed: int = 0) -> pl.DataFrame:
    """Every metric with its 95 % percentile-bootstrap interval: metric, value, ci_low, ci_high, num_samples.

    Without business values there is no row for the value-weighted accuracy; with values of which no labelled
    class has any, `ValueError`.
    """
    metrics = dict(METRICS)
    if not judged.values:
        del metrics["value_weighted_accuracy"]
    num_samples = len(judged.true_ids)
    once = np.ones((1, num_samples))
    scores = {name: float(metric(judged, once)[0]) for name, metric in metrics.items()}
    undefined = [name for name, value in scores.items() if np.isnan(value)]
    if undefined:
        raise ValueError(f"{', '.join(undefined)} is undefined: no category of the labels has a business value")

    drawn: dict[str, list[Floats]] = {name: [] for name in metrics}
    for counts in _resampled_counts(num_samples, resamples, seed):
        for name, metric in metrics.items():
            drawn[name].append(metric(judged, counts))
    rows = []
    for name, value in scores.items():
        low, high = np.nanquantile(np.concatenate(drawn[name]), [0.025, 0.975])
        rows.append((name, value, float(low), float(high), num_samples))
    return pl.DataFrame(rows, schema=SCORE_SCHEMA, orient="row")


def score_means(by_sample: Mapping[str, Floats], *, resamples: int = 1000, seed: int = 0) -> pl.DataFrame:
    """As `score`, for metrics that are means of what each sample scored, (n,): one row a metric."""
    values = np.stack(list(by_sample.values()), axis=1)
    if not len(values):
        raise ValueError("there is no sample to score; was the evaluation set empty?")
    drawn = np.concatenate([counts @ values for counts in _resampled_counts(len(values), resamples, seed)]) / len(
        values
    )
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    columns = [list(by_sample), values.mean(axis=0), low, high, [len(values)] * len(by_sample)]
    return pl.DataFrame(dict(zip(SCORE_SCHEMA, columns, strict=True)), schema=SCORE_SCHEMA)


def _resampled_counts(num_samples: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Chunks of how often each resample draws each sample, (r, n)."""
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; a bootstrap needs at least one, 1,000 is usual")
    rng = np.random.default_rng(seed)
    chunk = max(1, _COUNTS_PER_CHUNK // num_samples)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        draws = rng.integers(num_samples, size=(size, num_samples))
        draws += num_samples * np.arange(size)[:, None]
        yield np.bincount(draws.ravel(), minlength=size * num_samples).reshape(size, -1).astype(np.float64)


def _sums_by_class(judged: Judged, classes: NDArray[np.intp], counts: Floats) -> Floats:
    """The counts (r, n) summed by the samples' class, (r, num_classes)."""
    num_classes = len(judged.classes)
    cells = classes + num_classes * np.arange(len(counts))[:, None]
    sums: Floats = np.bincount(cells.ravel(), counts.ravel(), len(counts) * num_classes).astype(np.float64)
    return sums.reshape(len(counts), num_classes)
