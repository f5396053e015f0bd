"""Download statistics: outcomes by partner and host, counted in one pass over all deliveries."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from catalog.download.hosts import host_of
from catalog.download.image_roots import Root
from catalog.images.statuses import REFUSED, RETRYABLE, Status, values
from catalog.probe.published_rates import IMAGE, INVALID, published_group

GONE, UNUSABLE, TO_RETRY = "gone", "no usable image", "retryable"
OUTCOME_GROUPS = (IMAGE, GONE, UNUSABLE, INVALID, TO_RETRY)


def outcome_group(status: str = "status") -> pl.Expr:
    """Maps statuses to `OUTCOME_GROUPS`."""
    column = pl.col(status)
    return (
        pl.when(column == Status.OK)
        .then(pl.lit(IMAGE))
        .when(column == Status.INVALID_URL)
        .then(pl.lit(INVALID))
        .when(column.is_in(values({Status.GONE, Status.REDIRECTED_HOME})))
        .then(pl.lit(GONE))
        .when(column.is_in(values(RETRYABLE)))
        .then(pl.lit(TO_RETRY))
        .otherwise(pl.lit(UNUSABLE))
        .alias("outcome_group")
    )


def count_outcomes(outcomes: pl.LazyFrame, roots: Collection[Root] = ()) -> pl.DataFrame:
    """Counts the outcomes: partner, host, status, num, bytes, duration_s; small, however many outcomes there are.

    The partner is the part of a product_id before the first colon; a root of `roots` is a host.
    """
    return (
        outcomes.select(
            "status",
            "bytes",
            "duration_ms",
            partner=pl.col("product_id").str.split_exact(":", 1).struct.field("field_0"),
            host=host_of("image_url", roots),
        )
        .group_by("partner", "host", "status")
        .agg(
            num=pl.len().cast(pl.Int64),
            bytes=pl.col("bytes").sum(),
            duration_s=pl.col("duration_ms").sum() / 1000,
        )
        .sort("partner", "host", "status")
        .collect(engine="streaming")
    )


def by_partner(counted: pl.DataFrame) -> pl.DataFrame:
    """Groups each partner's links: partner, outcome_group, num, share (of the partner's links)."""
    return (
        counted.with_columns(outcome_group())
        .group_by("partner", "outcome_group")
        .agg(pl.col("num").sum())
        .with_columns(share=pl.col("num") / pl.col("num").sum().over("partner"))
        .sort("partner", "num", "outcome_group", descending=[False, True, False])
    )


def by_published_group(counted: pl.DataFrame) -> pl.DataFrame:
    """Groups the links of all partners as rates are published: group, num, share."""
    groups = counted.with_columns(published_group()).group_by("group").agg(pl.col("num").sum())
    return groups.with_columns(share=pl.col("num") / pl.col("num").sum())


def by_host(counted: pl.DataFrame) -> pl.DataFrame:
    """Counts each host's links, images, refused and retryable links, with mean seconds; most refusals first."""
    num, status = pl.col("num"), pl.col("status")
    return (
        counted.filter(pl.col("host").is_not_null())
        .group_by("host")
        .agg(
            links=num.sum(),
            images=num.filter(status == Status.OK).sum(),
            refused=num.filter(status.is_in(values(REFUSED))).sum(),
            retryable=num.filter(status.is_in(values(RETRYABLE))).sum(),
            mean_s=pl.col("duration_s").sum() / num.sum(),
            bytes=pl.col("bytes").sum(),
        )
        .sort("refused", "mean_s", "host", descending=[True, True, False])
    )
