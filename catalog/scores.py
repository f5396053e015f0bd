"""Scores: how well predictions agree with the labels, each with the interval that chance alone would give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.block_sums import BlockSums, block_sums
from catalog.bootstrap import NUM_RESAMPLES, interval, resampled_counts
from catalog.hierarchical_distance import hierarchical_distances
from catalog.judged import Judged
from catalog.taxonomy import Taxonomy

Floats = NDArray[np.float64]

SCORE_SCHEMA = {
    "metric": pl.String,
    "value": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "num_samples": pl.Int64,
}


@dataclass(frozen=True, kw_only=True)
class Summed:
    """A level's sums by block, what its classes sell, (c,), and the names of the metrics that these allow."""

    sums: BlockSums
    values: Floats
    metrics: tuple[str, ...]

    def resampled(self, counts: Floats) -> Summed:
        """That of r resamples of the blocks, (r, b)."""
        return replace(self, sums=self.sums.resampled(counts))


# A metric of r sets of samples at once, each a row of the sums -> (r,); all samples are one such row.
Metric = Callable[[Summed], Floats]


def top1(of: Summed) -> Floats:
    """The share of samples whose best prediction is their label."""
    shares: Floats = of.sums.num_hits.sum(axis=1) / of.sums.num
    return shares


def top5(of: Summed) -> Floats:
    """The share of samples whose label is among the five best predictions."""
    shares: Floats = of.sums.num_in_top5 / of.sums.num
    return shares


def macro_f1(of: Summed) -> Floats:
    """The mean F1 of the classes that occur in truth or prediction, as scikit-learn's `average="macro"`."""
    occurring = of.sums.num_true + of.sums.num_predicted  # F1 = 2 hits / (true + predicted)
    f1 = _shares(2 * of.sums.num_hits, occurring)
    means: Floats = f1.sum(axis=1) / (occurring > 0).sum(axis=1)
    return means


def value_weighted_accuracy(of: Summed) -> Floats:
    """The share of units sold whose pictures are placed right: the recalls of the classes, weighted by value.

    Only classes that occur as label can be judged, so the values of these make the whole. A class weighs what
    it sells however many samples it has. At an upper level a node's recall is over its samples as they come,
    so a leaf weighs there by its samples: an upper level may score below a lower one where leaves are sampled
    otherwise than they sell. NaN for a resample that drew no class of value.
    """
    return weighted_recall(of.sums.num_hits, of.sums.num_true, of.values)


def hierarchical_distance(of: Summed) -> Floats:
    """The mean number of edges from label to prediction over all samples; a right one is 0 away."""
    means: Floats = of.sums.distance / of.sums.num
    return means


def distance_of_mistakes(of: Summed) -> Floats:
    """The same over the mistakes alone; NaN where there is none."""
    num_missed = of.sums.num - of.sums.num_hits.sum(axis=1)
    nowhere = np.full(len(num_missed), np.nan)
    means: Floats = np.divide(of.sums.distance, num_missed, out=nowhere, where=num_missed > 0)
    return means


def calibration_error(of: Summed) -> Floats:
    """The expected calibration error: how far confidence is from accuracy, over 15 bins (arXiv:1706.04599).

    Chance alone makes it positive: of a few hundred samples that a calibrated classifier answered, some hundredths.
    """
    errors: Floats = np.abs(of.sums.hits_in_bin - of.sums.confidence_in_bin).sum(axis=1) / of.sums.num
    return errors


def expected_calibration_error(confidences: Floats, are_right: NDArray[np.bool_]) -> float:
    """The same of single answers: their confidences and whether they are right, (n,). ValueError for none."""
    one = np.ones(len(are_right), dtype=np.int64)
    judged = Judged(true_ids=one, predicted_ids=1 * are_right, in_top5=are_right, confidences=confidences)
    return float(calibration_error(summed(judged, 0 * one))[0])


METRICS: dict[str, Metric] = {
    "top1": top1,
    "top5": top5,
    "macro_f1": macro_f1,
    "value_weighted_accuracy": value_weighted_accuracy,
    "hierarchical_distance": hierarchical_distance,
    "distance_of_mistakes": distance_of_mistakes,
    "calibration_error": calibration_error,
}


def summed(
    judged: Judged,
    blocks: NDArray[np.int64],
    values: Mapping[int, float] | None = None,
    taxonomy: Taxonomy | None = None,
) -> Summed:
    """A level's samples added up by their block, (n,).

    `values` is the business value of the level's categories (`business_value.values_at_level`); a category that it
    lacks weighs nothing. Without values there is no value-weighted accuracy, without a taxonomy there are no
    distances. Raises `TaxonomyError` for a category that the taxonomy lacks.
    """
    distances = None if taxonomy is None else hierarchical_distances(judged.classes.tolist(), taxonomy)
    lacking = {"value_weighted_accuracy"} if not values else set()
    lacking |= {"hierarchical_distance", "distance_of_mistakes"} if taxonomy is None else set()
    worth = values or {}
    return Summed(
        sums=block_sums(judged, blocks, distances),
        values=np.array([worth.get(category_id, 0.0) for category_id in judged.classes.tolist()]),
        metrics=tuple(name for name in METRICS if name not in lacking),
    )


def score(of: Summed, *, resamples: int = NUM_RESAMPLES, seed: int = 0) -> pl.DataFrame:
    """Every metric with its 95 % percentile-bootstrap interval: metric, value, ci_low, ci_high, num_samples.

    Without a mistake there is no row for the mistakes' distance. With values of which no labelled class has any,
    `ValueError`.
    """
    once = of.resampled(np.ones((1, len(of.sums.num))))
    values = {name: float(METRICS[name](once)[0]) for name in of.metrics}
    if np.isnan(values.get("value_weighted_accuracy", 0.0)):
        raise ValueError("value_weighted_accuracy is undefined: no category of the labels has a business value")
    defined = {name: value for name, value in values.items() if not np.isnan(value)}
    drawn: dict[str, list[Floats]] = {name: [] for name in defined}
    for counts in resampled_counts(len(of.sums.num), resamples, seed):
        resample = of.resampled(counts)
        for name in defined:
            drawn[name].append(METRICS[name](resample))
    num_samples = int(of.sums.num.sum())
    rows = [(name, value, *interval(np.concatenate(drawn[name])), num_samples) for name, value in defined.items()]
    return pl.DataFrame(rows, schema=SCORE_SCHEMA, orient="row")


def score_means(by_sample: Mapping[str, Floats], *, resamples: int = NUM_RESAMPLES, seed: int = 0) -> pl.DataFrame:
    """As `score`, for metrics that are means of what each sample scored, (n,): one row a metric."""
    values = np.stack(list(by_sample.values()), axis=1)
    if not len(values):
        raise ValueError("there is no sample to score; was the evaluation set empty?")
    drawn = np.concatenate([counts @ values for counts in resampled_counts(len(values), resamples, seed)]) / len(values)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    columns = [list(by_sample), values.mean(axis=0), low, high, [len(values)] * len(by_sample)]
    return pl.DataFrame(dict(zip(SCORE_SCHEMA, columns, strict=True)), schema=SCORE_SCHEMA)


def weighted_recall(num_hits: Floats, num_true: Floats, values: Floats) -> Floats:
    """The recalls of c classes, (r, c), weighted by their values, (c,): (r,), NaN where no class of value occurs."""
    total = (num_true > 0) @ values
    right = _shares(num_hits, num_true) @ values
    weighted: Floats = np.divide(right, total, out=np.full(len(total), np.nan), where=total > 0)
    return weighted


def _shares(parts: Floats, wholes: Floats) -> Floats:
    """The parts of their wholes; 0 of nothing."""
    return np.divide(parts, wholes, out=np.zeros_like(wholes), where=wholes > 0)
