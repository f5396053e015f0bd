"""Drift: the shift of a delivery's predicted categories from those of the training products.

Both are predictions of the same classifier, so its mistakes are in both. The measure is the population stability
index, sum (p - q) ln (p / q) over categories (Siddiqi 2006, Credit Risk Scorecards), of which 0.25 counts as a large
shift. Two samples of the same products differ too: without a shift the index is 1 / n + 1 / m times a chi-squared
variable of num_categories - 1 degrees of freedom (Yurdakul 2018), so its mean is subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

LARGE = 0.25
PSEUDO_COUNT = 0.5  # added to each category, so that one that is missing on one side has a finite weight


@dataclass(frozen=True, kw_only=True)
class Shift:
    """The stability index of a delivery against the training products, and its mean without any shift."""

    index: float
    by_chance: float
    shares: pl.DataFrame  # category_id, found, expected: a row per category, the largest contribution first

    @property
    def beyond_chance(self) -> float:
        """The index less its mean without a shift, at least 0."""
        return max(0.0, self.index - self.by_chance)


def shift(found: pl.Series, expected: pl.Series) -> Shift:
    """Measures the shift between the categories of a delivery's products and those of the training products.

    Args:
        found: predicted categories of the delivery, (n,).
        expected: predicted categories of the training products, (m,).

    Raises:
        ValueError: one side has no product.
    """
    if not (len(found) and len(expected)):
        raise ValueError(f"{len(found)} products of the delivery, {len(expected)} of training; each needs at least one")
    counts = pl.concat(
        [
            pl.DataFrame({"category_id": found, "found": 1, "expected": 0}),
            pl.DataFrame({"category_id": expected, "found": 0, "expected": 1}),
        ]
    )
    counts = counts.group_by("category_id").agg(pl.col("found", "expected").sum()).sort("category_id")
    p, q = (_shares(counts[name].to_numpy()) for name in ("found", "expected"))
    contributions = (p - q) * np.log(p / q)
    by_chance = (len(counts) - 1) * (1 / len(found) + 1 / len(expected))
    shares = counts.with_columns(
        pl.col("found") / len(found), pl.col("expected") / len(expected), contribution=pl.Series(contributions)
    ).sort("contribution", "category_id", descending=[True, False])
    return Shift(index=float(contributions.sum()), by_chance=by_chance, shares=shares)


def _shares(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    smoothed = counts + PSEUDO_COUNT
    shares: NDArray[np.float64] = smoothed / smoothed.sum()
    return shares
