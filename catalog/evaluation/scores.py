"""Scores: metrics of predictions against labels, each with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.evaluation.block_sums import BlockSums, block_sums
from catalog.evaluation.bootstrap import NUM_RESAMPLES, interval, resampled_counts
from catalog.evaluation.level_predictions import LabeledPredictions
from catalog.taxonomy.distances import hierarchical_distances
from catalog.taxonomy.tree import Taxonomy

Floats = NDArray[np.float64]

SCORE_SCHEMA = {
    "metric": pl.String,
    "value": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "num_samples": pl.Int64,
}


@dataclass(frozen=True, kw_only=True)
class LevelSums:
    """Sums by block of one level, the units sold by class, (c,), and the names of the metrics that these allow."""

    sums: BlockSums
    values: Floats
    metrics: tuple[str, ...]

    def resampled(self, counts: Floats) -> LevelSums:
        """Returns the sums of r resamples; `counts`, (r, b), is how often each draws each block."""
        return replace(self, sums=self.sums.resampled(counts))


# Computes a metric for r resamples at once, a row of the sums each: (r,).
Metric = Callable[[LevelSums], Floats]


def top1(level: LevelSums) -> Floats:
    """Share of samples whose prediction is their label."""
    shares: Floats = level.sums.num_hits.sum(axis=1) / level.sums.num
    return shares


def top5(level: LevelSums) -> Floats:
    """Share of samples whose label is among the five most probable categories."""
    shares: Floats = level.sums.num_in_top5 / level.sums.num
    return shares


def macro_f1(level: LevelSums) -> Floats:
    """Mean F1 of the classes that occur as label or prediction, as scikit-learn's `average="macro"`."""
    occurring = level.sums.num_true + level.sums.num_predicted  # F1 = 2 hits / (true + predicted)
    f1 = _shares(2 * level.sums.num_hits, occurring)
    means: Floats = f1.sum(axis=1) / (occurring > 0).sum(axis=1)
    return means


def value_weighted_accuracy(level: LevelSums) -> Floats:
    """Share of units sold whose images are predicted right: the recalls of the classes, weighted by value.

    The values of the classes that occur as label add up to the whole. A class weighs what it sells, however many
    samples it has. At an upper level a node's recall is over its samples, so a leaf weighs there by its samples: an
    upper level may score below a lower one where samples and sales are distributed differently. NaN for a resample
    without a class of value.
    """
    return weighted_recall(level.sums.num_hits, level.sums.num_true, level.values)


def hierarchical_distance(level: LevelSums) -> Floats:
    """Mean number of edges between label and prediction over all samples; 0 for a right prediction."""
    means: Floats = level.sums.distance / level.sums.num
    return means


def distance_of_mistakes(level: LevelSums) -> Floats:
    """Mean number of edges between label and prediction over the mistakes; NaN without one."""
    num_missed = level.sums.num - level.sums.num_hits.sum(axis=1)
    nowhere = np.full(len(num_missed), np.nan)
    means: Floats = np.divide(level.sums.distance, num_missed, out=nowhere, where=num_missed > 0)
    return means


def calibration_error(level: LevelSums) -> Floats:
    """Expected calibration error: mean gap between confidence and accuracy over 15 bins (arXiv:1706.04599).

    It is positive by chance: some hundredths for a few hundred samples of a calibrated classifier.
    """
    errors: Floats = np.abs(level.sums.hits_in_bin - level.sums.confidence_in_bin).sum(axis=1) / level.sums.num
    return errors


def expected_calibration_error(confidences: Floats, are_right: NDArray[np.bool_]) -> float:
    """Returns the expected calibration error of predictions, from confidences and correctness, (n,).

    Raises ValueError for no prediction.
    """
    one = np.ones(len(are_right), dtype=np.int64)
    predictions = LabeledPredictions(
        true_ids=one, predicted_ids=1 * are_right, in_top5=are_right, confidences=confidences
    )
    return float(calibration_error(level_sums(predictions, 0 * one))[0])


METRICS: dict[str, Metric] = {
    "top1": top1,
    "top5": top5,
    "macro_f1": macro_f1,
    "value_weighted_accuracy": value_weighted_accuracy,
    "hierarchical_distance": hierarchical_distance,
    "distance_of_mistakes": distance_of_mistakes,
    "calibration_error": calibration_error,
}


def level_sums(
    predictions: LabeledPredictions,
    blocks: NDArray[np.int64],
    values: Mapping[int, float] | None = None,
    taxonomy: Taxonomy | None = None,
) -> LevelSums:
    """Sums a level's samples by block, as `score` needs them.

    Args:
        predictions: n samples of c classes.
        blocks: the block of each sample, (n,).
        values: units sold by category of this level (`business_value.values_at_level`), 0 for others; without values
            there is no value-weighted accuracy.
        taxonomy: the taxonomy of the classes; without it there are no distances.

    Raises:
        TaxonomyError: the taxonomy lacks a class.
    """
    distances = None if taxonomy is None else hierarchical_distances(predictions.classes.tolist(), taxonomy)
    lacking = {"value_weighted_accuracy"} if not values else set()
    lacking |= {"hierarchical_distance", "distance_of_mistakes"} if taxonomy is None else set()
    units_sold = values or {}
    return LevelSums(
        sums=block_sums(predictions, blocks, distances),
        values=np.array([units_sold.get(category_id, 0.0) for category_id in predictions.classes.tolist()]),
        metrics=tuple(name for name in METRICS if name not in lacking),
    )


def score(level: LevelSums, *, resamples: int = NUM_RESAMPLES, seed: int = 0) -> pl.DataFrame:
    """Computes every metric with its 95 % percentile-bootstrap interval, with the columns `SCORE_SCHEMA`.

    Without a mistake there is no row for the distance of mistakes.

    Raises:
        ValueError: there are values, but no labeled class has one.
    """
    once = level.resampled(np.ones((1, len(level.sums.num))))
    values = {name: float(METRICS[name](once)[0]) for name in level.metrics}
    if np.isnan(values.get("value_weighted_accuracy", 0.0)):
        raise ValueError("value_weighted_accuracy is undefined: no category of the labels has a business value")
    defined = {name: value for name, value in values.items() if not np.isnan(value)}
    drawn: dict[str, list[Floats]] = {name: [] for name in defined}
    for counts in resampled_counts(len(level.sums.num), resamples, seed):
        resample = level.resampled(counts)
        for name in defined:
            drawn[name].append(METRICS[name](resample))
    num_samples = int(level.sums.num.sum())
    rows = [(name, value, *interval(np.concatenate(drawn[name])), num_samples) for name, value in defined.items()]
    return pl.DataFrame(rows, schema=SCORE_SCHEMA, orient="row")


def score_means(by_sample: Mapping[str, Floats], *, resamples: int = NUM_RESAMPLES, seed: int = 0) -> pl.DataFrame:
    """Computes metrics that are means over samples, with the intervals and columns of `score`.

    Args:
        by_sample: the score of each sample by metric, (n,) each.
        resamples: resamples of the bootstrap.
        seed: seed of the bootstrap.

    Raises:
        ValueError: there is no sample.
    """
    values = np.stack(list(by_sample.values()), axis=1)
    if not len(values):
        raise ValueError("there is no sample to score; was the evaluation set empty?")
    drawn = np.concatenate([counts @ values for counts in resampled_counts(len(values), resamples, seed)]) / len(values)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    columns = [list(by_sample), values.mean(axis=0), low, high, [len(values)] * len(by_sample)]
    return pl.DataFrame(dict(zip(SCORE_SCHEMA, columns, strict=True)), schema=SCORE_SCHEMA)


def weighted_recall(num_hits: Floats, num_true: Floats, values: Floats) -> Floats:
    """Returns the recalls of c classes, weighted by value, (r,); NaN where no class of value occurs.

    Args:
        num_hits: right predictions by class, (r, c).
        num_true: samples by class, (r, c).
        values: units sold by class, (c,).
    """
    total = (num_true > 0) @ values
    right = _shares(num_hits, num_true) @ values
    weighted: Floats = np.divide(right, total, out=np.full(len(total), np.nan), where=total > 0)
    return weighted


def _shares(parts: Floats, wholes: Floats) -> Floats:
    """Divides parts by wholes; 0 where the whole is 0."""
    return np.divide(parts, wholes, out=np.zeros_like(wholes), where=wholes > 0)
