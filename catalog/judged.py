"""Judged predictions: one taxonomy level's labels beside the best answers, out of the predictions' files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Places = NDArray[np.int64]

TOP_K = 5
_MAX_TABLE = 1 << 24  # ids below that are looked up in a table, which takes a tenth of a search's time


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Samples of one level: what they are, what they were taken for, whether the label is among the five best, (n,).

    `confidences` are the best answers' probabilities. Raises `ValueError` for no samples, or arrays of other lengths.
    """

    true_ids: Ids
    predicted_ids: Ids
    in_top5: NDArray[np.bool_]
    confidences: NDArray[np.floating]

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.true_ids, self.predicted_ids, self.in_top5, self.confidences)}
        if len(shapes) > 1 or self.true_ids.ndim != 1:
            raise ValueError(f"labels, predictions and confidences are {sorted(shapes)}; expected one of each a sample")
        if not len(self.true_ids):
            raise ValueError("there is no sample to score; was the evaluation set empty?")

    @classmethod
    def of_frame(cls, frame: pl.DataFrame | pl.LazyFrame, level: int) -> Judged:
        """A level of the predictions table. ValueError where a row lacks its label or has no prediction."""
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
                f"{num_lacking:,} of {len(rows):,} predictions of level {level} lack their label, their best answer or "
                "its probability; leave them out"
            )
        return cls(
            true_ids=rows["true"].to_numpy(),
            predicted_ids=rows["best"].to_numpy(),
            in_top5=rows["in_top5"].to_numpy(),
            confidences=rows["confidence"].to_numpy(),
        )

    @classmethod
    def read(cls, files: Sequence[str], level: int) -> Judged:
        """The same of Parquet files, of which the columns of this level are read and no other."""
        return cls.of_frame(pl.scan_parquet(list(files), glob=False, hive_partitioning=False), level)

    def __len__(self) -> int:
        return len(self.true_ids)

    @cached_property
    def classes(self) -> Ids:
        """The ids that occur as label or as best prediction, ascending, (c,)."""
        ids = [pl.Series(each).unique() for each in (self.true_ids, self.predicted_ids)]
        return pl.concat(ids).unique().sort().to_numpy()

    @cached_property
    def true(self) -> Places:
        """The labels as positions in `classes`, (n,)."""
        return places_of(self.true_ids, self.classes)

    @cached_property
    def predicted(self) -> Places:
        """The best predictions as positions in `classes`, (n,)."""
        return places_of(self.predicted_ids, self.classes)

    @cached_property
    def hits(self) -> NDArray[np.bool_]:
        """Whether the best prediction is the label, (n,)."""
        hits: NDArray[np.bool_] = self.true_ids == self.predicted_ids
        return hits


def places_of(ids: Ids, classes: Ids) -> Places:
    """The position of each id in the ascending `classes`."""
    if classes[0] < 0 or classes[-1] >= _MAX_TABLE:
        return np.searchsorted(classes, ids)
    table = np.zeros(classes[-1] + 1, dtype=np.int64)
    table[classes] = np.arange(len(classes))
    return table[ids]
