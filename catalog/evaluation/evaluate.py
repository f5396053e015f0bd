"""Evaluation of a classifier's predictions on one split, at every level of the taxonomy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from catalog.evaluation.bootstrap import blocks_of
from catalog.evaluation.calibration import calibration_curve
from catalog.evaluation.level_predictions import LabeledPredictions
from catalog.evaluation.scores import level_sums, score
from catalog.taxonomy.business_value import values_at_level
from catalog.taxonomy.tree import NUM_LEVELS, Taxonomy


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores and calibration curves of all levels; each row has its `level`, 1 (roots) to 4 (leaves)."""

    scores: pl.DataFrame
    calibration: pl.DataFrame


def evaluate(files: Sequence[str], taxonomy: Taxonomy, values: Mapping[int, float]) -> Evaluation:
    """Evaluates the predictions of one split.

    Levels are read one after another, so memory is that of one level's labels and predictions. All levels share the
    blocks of the bootstrap.

    Args:
        files: Parquet files of the table `predictions`.
        taxonomy: the taxonomy of the labels.
        values: units sold by category.

    Raises:
        ValueError: there is no prediction, or one lacks its label.
    """
    blocks = None
    scores, curves = [], []
    for number in range(1, NUM_LEVELS + 1):
        predictions = LabeledPredictions.read(files, number)
        blocks = blocks_of(len(predictions)) if blocks is None else blocks
        level = level_sums(predictions, blocks, values_at_level(values, taxonomy, number), taxonomy)
        column = pl.lit(number, dtype=pl.Int32).alias("level")
        scores.append(score(level).select(column, pl.all()))
        curves.append(calibration_curve(level.sums).select(column, pl.all()))
    return Evaluation(scores=pl.concat(scores), calibration=pl.concat(curves))
