"""Estimates: what a stratified sample of links says about all of them, with the interval that chance leaves.

Shares and totals weigh every stratum by its size (Cochran 1977, "Sampling Techniques", sections 5.3 and 5.10). The
interval of a share is Wilson's (1927) with the sample size that a simple sample of the same variance would have; like
Korn and Graubard (1998, Survey Methodology 24) we let a happy sample count for no more than its weights allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from catalog.images.statuses import Status

# A published 36-million-product catalogue lost these shares of its links.
PUBLISHED = {"invalid link": 0.01, "not downloadable": 0.12}
OK = "picture"
REFUSED = frozenset({Status.HOST_REFUSED, Status.HOST_PAUSED, Status.DISALLOWED})

Z = 1.959963984540054  # 95 %


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def published_group(status: str = "status") -> pl.Expr:
    """The three groups in which rates are published: a picture, an invalid link, not downloadable."""
    invalid, lost = PUBLISHED
    return (
        pl.when(pl.col(status) == Status.OK)
        .then(pl.lit(OK))
        .when(pl.col(status) == Status.INVALID_URL)
        .then(pl.lit(invalid))
        .otherwise(pl.lit(lost))
        .alias("group")
    )


def fate(status: str = "status") -> pl.Expr:
    """What became of links that led to a picture once: still there, gone, or not reached, which may be of the day."""
    unreached = [each.value for each in Status if each.retryable]
    return (
        pl.when(pl.col(status) == Status.OK)
        .then(pl.lit("still there"))
        .when(pl.col(status).is_in(unreached))
        .then(pl.lit("not reached"))
        .otherwise(pl.lit("gone"))
        .alias("fate")
    )


def shares(rows: pl.DataFrame, of: str = "status", by: Sequence[str] = ()) -> pl.DataFrame:
    """The share of each value of column `of` among all links, or those of each `by`: unions of strata.

    Columns: `by`, `of`, links (of the union), sampled, num (of the sampled), share, low, high; largest share first.
    """
    sizes = rows.group_by(*by, "stratum").agg(size=pl.col("stratum_size").first(), n=pl.len())
    whole = {"links": pl.col("size").sum(), "sampled": pl.col("n").sum()}
    sizes = sizes.with_columns(**{name: total.over(by) if by else total for name, total in whole.items()})
    nums = rows.group_by(*by, "stratum", of).agg(num=pl.len())
    values = rows.select(*by, of).unique()
    pairs = sizes.join(values, on=list(by)) if by else sizes.join(values, how="cross")
    cells = pairs.join(nums, on=[*by, "stratum", of], how="left").with_columns(pl.col("num").fill_null(0))
    weight, unseen = pl.col("size") / pl.col("links"), 1 - pl.col("n") / pl.col("size")
    p = pl.col("num") / pl.col("n")
    # A stratum of one link is 0/0: it has been seen whole, and varies no more.
    variance = (weight**2 * unseen * p * (1 - p) / (pl.col("n") - 1)).fill_nan(0)
    merged = cells.group_by(*by, of).agg(
        pl.col("links").first(),
        pl.col("sampled").first(),
        pl.col("num").sum(),
        share=(weight * p).sum(),
        variance=variance.sum(),
        least_variance_of_one=(weight**2 * unseen / pl.col("n")).sum(),
    )
    spread = pl.col("share") * (1 - pl.col("share"))
    # 1 / the effective sample size; 0 where all links were seen.
    inverse_n = pl.max_horizontal(
        pl.when(spread > 0).then(pl.col("variance") / spread).otherwise(0.0), "least_variance_of_one"
    )
    return (
        merged.with_columns(inverse_n=inverse_n)
        .with_columns(*_wilson(pl.col("share"), pl.col("inverse_n")))
        .drop("variance", "least_variance_of_one", "inverse_n")
        .sort(*by, "share", of, descending=[False] * len(by) + [True, False])
    )


def beside_published(groups: pl.DataFrame) -> pl.DataFrame:
    """The shares of the published groups, one row each, beside the published rates."""
    published = pl.DataFrame({"group": list(PUBLISHED), "published": list(PUBLISHED.values())})
    found = published.join(groups, on="group", how="left", maintain_order="left")
    return found.select("group", pl.col("num").fill_null(0), pl.col("share").fill_null(0.0), "low", "high", "published")


def total(rows: pl.DataFrame, column: str) -> Estimate:
    """The sum of a column over all links, a link without it counting zero."""
    strata = rows.group_by("stratum").agg(
        size=pl.col("stratum_size").first(),
        n=pl.len(),
        mean=pl.col(column).fill_null(0).mean(),
        s2=pl.col(column).fill_null(0).cast(pl.Float64).var().fill_null(0.0),  # of one link: seen whole
    )
    value, variance = strata.select(
        (pl.col("size") * pl.col("mean")).sum(),
        (pl.col("size") * (pl.col("size") - pl.col("n")) * pl.col("s2") / pl.col("n")).sum().alias("variance"),
    ).row(0)
    half = Z * variance**0.5
    return Estimate(value, max(0.0, value - half), value + half)


def _wilson(share: pl.Expr, inverse_n: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The ends of Wilson's interval for a share of 1 / inverse_n links."""
    z2 = Z**2 * inverse_n
    centre = (share + z2 / 2) / (1 + z2)
    half = Z * (inverse_n * (share * (1 - share) + z2 / 4)).sqrt() / (1 + z2)
    return (centre - half).clip(0.0, 1.0).alias("low"), (centre + half).clip(0.0, 1.0).alias("high")
