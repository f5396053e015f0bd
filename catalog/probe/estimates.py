"""Estimates: shares and totals of all links from a stratified sample of them, with confidence intervals.

Shares and totals weigh every stratum by its size (Cochran 1977, "Sampling Techniques", sections 5.3 and 5.10). The
interval of a share is Wilson's (1927) with the sample size that a simple random sample of the same variance would have,
which is limited by the weights, as in Korn and Graubard (1998, Survey Methodology 24).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from catalog.images.statuses import RETRYABLE, Status, values

LIVE, NOT_REACHED, GONE = "live", "unreached", "gone"

Z = 1.959963984540054  # 95 %


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def link_state(status: str = "status") -> pl.Expr:
    """Maps statuses of refetched links to their state: live, unreached (which may be temporary) or gone."""
    return (
        pl.when(pl.col(status) == Status.OK)
        .then(pl.lit(LIVE))
        .when(pl.col(status).is_in(values(RETRYABLE)))
        .then(pl.lit(NOT_REACHED))
        .otherwise(pl.lit(GONE))
        .alias("link_state")
    )


def shares(rows: pl.DataFrame, of: str = "status", by: Sequence[str] = ()) -> pl.DataFrame:
    """Estimates the share of each value of column `of` among all links, or among those of each `by`.

    Args:
        rows: the sample, with stratum, stratum_size and `of`.
        of: the column whose values are counted.
        by: columns whose values are unions of strata.

    Returns:
        `by`, `of`, links (of the union), sampled, num (of the sampled), share, low, high; the largest share first.
    """
    sizes = rows.group_by(*by, "stratum").agg(size=pl.col("stratum_size").first(), n=pl.len())
    whole = {"links": pl.col("size").sum(), "sampled": pl.col("n").sum()}
    sizes = sizes.with_columns(**{name: total.over(by) if by else total for name, total in whole.items()})
    nums = rows.group_by(*by, "stratum", of).agg(num=pl.len())
    values = rows.select(*by, of).unique()
    pairs = sizes.join(values, on=list(by)) if by else sizes.join(values, how="cross")
    cells = pairs.join(nums, on=[*by, "stratum", of], how="left").with_columns(pl.col("num").fill_null(0))
    weight, unsampled = pl.col("size") / pl.col("links"), 1 - pl.col("n") / pl.col("size")
    p = pl.col("num") / pl.col("n")
    # A stratum of one link is 0/0: it was sampled completely, so its variance is 0.
    variance = (weight**2 * unsampled * p * (1 - p) / (pl.col("n") - 1)).fill_nan(0)
    merged = cells.group_by(*by, of).agg(
        pl.col("links").first(),
        pl.col("sampled").first(),
        pl.col("num").sum(),
        share=(weight * p).sum(),
        variance=variance.sum(),
        least_variance_of_one=(weight**2 * unsampled / pl.col("n")).sum(),
    )
    spread = pl.col("share") * (1 - pl.col("share"))
    # 1 / the effective sample size; 0 where all links were sampled.
    inverse_n = pl.max_horizontal(
        pl.when(spread > 0).then(pl.col("variance") / spread).otherwise(0.0), "least_variance_of_one"
    )
    return (
        merged.with_columns(inverse_n=inverse_n)
        .with_columns(*_wilson(pl.col("share"), pl.col("inverse_n")))
        .drop("variance", "least_variance_of_one", "inverse_n")
        .sort(*by, "share", of, descending=[False] * len(by) + [True, False])
    )


def total(rows: pl.DataFrame, column: str) -> Estimate:
    """Estimates the sum of a column over all links; null counts as zero."""
    strata = rows.group_by("stratum").agg(
        size=pl.col("stratum_size").first(),
        n=pl.len(),
        mean=pl.col(column).fill_null(0).mean(),
        s2=pl.col(column).fill_null(0).cast(pl.Float64).var().fill_null(0.0),  # of one link: sampled completely
    )
    value, variance = strata.select(
        (pl.col("size") * pl.col("mean")).sum(),
        (pl.col("size") * (pl.col("size") - pl.col("n")) * pl.col("s2") / pl.col("n")).sum().alias("variance"),
    ).row(0)
    half = Z * variance**0.5
    return Estimate(value, max(0.0, value - half), value + half)


def _wilson(share: pl.Expr, inverse_n: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The ends of Wilson's interval for a share among 1 / inverse_n links."""
    z2 = Z**2 * inverse_n
    center = (share + z2 / 2) / (1 + z2)
    half = Z * (inverse_n * (share * (1 - share) + z2 / 4)).sqrt() / (1 + z2)
    return (center - half).clip(0.0, 1.0).alias("low"), (center + half).clip(0.0, 1.0).alias("high")
