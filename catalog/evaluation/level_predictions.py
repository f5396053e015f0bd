"""Labeled predictions: the labels and predictions of one taxonomy level, read from the table `predictions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Positions = NDArray[np.int64]

TOP_K = 5
_MAX_TABLE = 1 << 24  # smaller ids are looked up in a table, ten times as fast as by binary search


@dataclass(frozen=True, kw_only=True)
class LabeledPredictions:
    """Labels and predictions of n samples at one level.

    Args:
        true_ids: labels, (n,).
        predicted_ids: most probable categories, (n,).
        in_top5: True where the label is among the five most probable categories, (n,).
        confidences: probabilities of the predictions, (n,).

    Raises:
        ValueError: there are no samples, or the arrays differ in length.
    """

    true_ids: Ids
    predicted_ids: Ids
    in_top5: NDArray[np.bool_]
    confidences: NDArray[np.floating]

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.true_ids, self.predicted_ids, self.in_top5, self.confidences)}
        if len(shapes) > 1 or self.true_ids.ndim != 1:
            raise ValueError(f"labels, predictions and confidences are {sorted(shapes)}; expected (n,) for each")
        if not len(self.true_ids):
            raise ValueError("there is no sample to score; was the evaluation set empty?")

    @classmethod
    def of_frame(cls, frame: pl.DataFrame | pl.LazyFrame, level: int) -> LabeledPredictions:
        """Reads a level from rows of the table `predictions`.

        Raises:
            ValueError: a row lacks its label or its prediction.
        """
        label, best, probability = pl.col(f"true_{level}"), pl.col(f"top_{level}"), pl.col(f"probability_{level}")
        rows = (
            frame.lazy()
            .select(
                true=label,
                best=best.list.first(),
                in_top5=pl.any_horizontal(
                    best.list.get(rank, null_on_oob=True).eq(label).fill_null(value=False) for rank in range(TOP_K)
                ),
                confidence=probability.list.first().cast(pl.Float32),
            )
            .collect(engine="streaming")
        )
        num_lacking = int(rows.select(pl.any_horizontal(pl.col("true", "best", "confidence").is_null()).sum()).item())
        if num_lacking:
            raise ValueError(
                f"{num_lacking:,} of {len(rows):,} predictions of level {level} lack their label, their prediction or "
                "its probability; leave them out"
            )
        return cls(
            true_ids=rows["true"].to_numpy(),
            predicted_ids=rows["best"].to_numpy(),
            in_top5=rows["in_top5"].to_numpy(),
            confidences=rows["confidence"].to_numpy(),
        )

    @classmethod
    def read(cls, files: Sequence[str], level: int) -> LabeledPredictions:
        """Reads a level from Parquet files, and only the columns of this level."""
        return cls.of_frame(pl.scan_parquet(list(files), glob=False, hive_partitioning=False), level)

    def __len__(self) -> int:
        return len(self.true_ids)

    @cached_property
    def classes(self) -> Ids:
        """Ids that occur as label or prediction, ascending, (c,)."""
        ids = [pl.Series(each).unique() for each in (self.true_ids, self.predicted_ids)]
        return pl.concat(ids).unique().sort().to_numpy()

    @cached_property
    def true(self) -> Positions:
        """Positions of the labels in `classes`, (n,)."""
        return positions_of(self.true_ids, self.classes)

    @cached_property
    def predicted(self) -> Positions:
        """Positions of the predictions in `classes`, (n,)."""
        return positions_of(self.predicted_ids, self.classes)

    @cached_property
    def hits(self) -> NDArray[np.bool_]:
        """True where the prediction is the label, (n,)."""
        hits: NDArray[np.bool_] = self.true_ids == self.predicted_ids
        return hits


def positions_of(ids: Ids, classes: Ids) -> Positions:
    """Returns the position of each id, (n,), in the ascending `classes`, (c,)."""
    if classes[0] < 0 or classes[-1] >= _MAX_TABLE:
        return np.searchsorted(classes, ids)
    table = np.zeros(classes[-1] + 1, dtype=np.int64)
    table[classes] = np.arange(len(classes))
    return table[ids]
