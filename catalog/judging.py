"""Judging: a classifier's predictions of one split, out of their files, on every level of the taxonomy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from catalog.bootstrap import blocks_of
from catalog.business_value import values_at_level
from catalog.calibration_curve import calibration_curve
from catalog.judged import Judged
from catalog.scores import score, summed
from catalog.taxonomy import NUM_LEVELS, Taxonomy


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The scores and the calibration curves of all levels, each row with its `level`, 1 to 4."""

    scores: pl.DataFrame
    calibration: pl.DataFrame


def judge(files: Sequence[str], taxonomy: Taxonomy, values: Mapping[int, float]) -> Judgement:
    """The judgement of files of the predictions table; `values` are units sold by category.

    One level after the other is read, so memory is that of one level's labels and best answers. The levels share the
    blocks of the bootstrap. Raises ValueError where there is no prediction, or one without its label.
    """
    blocks = None
    scores, curves = [], []
    for level in range(1, NUM_LEVELS + 1):
        judged = Judged.read(files, level)
        blocks = blocks_of(len(judged)) if blocks is None else blocks
        of = summed(judged, blocks, values_at_level(values, taxonomy, level), taxonomy)
        at = pl.lit(level, dtype=pl.Int32).alias("level")
        scores.append(score(of).select(at, pl.all()))
        curves.append(calibration_curve(of.sums).select(at, pl.all()))
    return Judgement(scores=pl.concat(scores), calibration=pl.concat(curves))
