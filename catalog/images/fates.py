"""Fates: what became of the links of each partner and host, in one pass over the outcomes of all deliveries."""

from __future__ import annotations

import polars as pl

from catalog.images.estimates import PUBLISHED, published_group
from catalog.images.hosts import host_of
from catalog.images.statuses import Status

OK, GONE, UNUSABLE, INVALID, RETRY = FATES = (
    "picture",
    "gone",
    "no usable picture",
    "invalid link",
    "worth another try",
)

_RETRYABLE = [status.value for status in Status if status.retryable]
_GONE = [Status.GONE.value, Status.REDIRECTED_HOME.value]
_REFUSED = [Status.HOST_REFUSED.value, Status.HOST_PAUSED.value, Status.DISALLOWED.value]


def fate_of(status: str) -> pl.Expr:
    """The five fates that people ask about, of a column of statuses."""
    column = pl.col(status)
    return (
        pl.when(column == Status.OK)
        .then(pl.lit(OK))
        .when(column == Status.INVALID_URL)
        .then(pl.lit(INVALID))
        .when(column.is_in(_GONE))
        .then(pl.lit(GONE))
        .when(column.is_in(_RETRYABLE))
        .then(pl.lit(RETRY))
        .otherwise(pl.lit(UNUSABLE))
        .alias("fate")
    )


def counts(outcomes: pl.LazyFrame) -> pl.DataFrame:
    """The outcomes counted: partner, host, status, num, bytes, duration_s; small, however many outcomes there are.

    The partner is what stands before the colon of a product_id.
    """
    return (
        outcomes.select(
            "status",
            "bytes",
            "duration_ms",
            partner=pl.col("product_id").str.split_exact(":", 1).struct.field("field_0"),
            host=host_of("image_url"),
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
    """Each partner's links by fate: partner, fate, num, share."""
    return (
        counted.with_columns(fate_of("status"))
        .group_by("partner", "fate")
        .agg(pl.col("num").sum())
        .with_columns(share=pl.col("num") / pl.col("num").sum().over("partner"))
        .sort("partner", "num", "fate", descending=[False, True, False])
    )


def beside_published(counted: pl.DataFrame) -> pl.DataFrame:
    """The rates of all partners beside the published ones: group, num, share, published."""
    groups = counted.with_columns(published_group()).group_by("group").agg(pl.col("num").sum())
    published = pl.DataFrame({"group": list(PUBLISHED), "published": list(PUBLISHED.values())})
    return published.join(groups, on="group", how="left", maintain_order="left").select(
        "group",
        pl.col("num").fill_null(0),
        (pl.col("num").fill_null(0) / max(1, counted["num"].sum())).alias("share"),
        "published",
    )


def hosts(counted: pl.DataFrame) -> pl.DataFrame:
    """Each host's links, pictures, refusals, what is worth another try, and mean seconds; those that refuse first."""
    num, status = pl.col("num"), pl.col("status")
    return (
        counted.filter(pl.col("host").is_not_null())
        .group_by("host")
        .agg(
            links=num.sum(),
            pictures=num.filter(status == Status.OK).sum(),
            refused=num.filter(status.is_in(_REFUSED)).sum(),
            retryable=num.filter(status.is_in(_RETRYABLE)).sum(),
            mean_s=pl.col("duration_s").sum() / num.sum(),
            bytes=pl.col("bytes").sum(),
        )
        .sort("refused", "mean_s", "host", descending=[True, True, False])
    )
