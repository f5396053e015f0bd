"""Outcomes: the result of the download of each product's image, one row per product without exception."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

import polars as pl

from catalog.images.statuses import RETRYABLE, Status, values
from catalog.images.stored_image import FORMER_SHORT_SIDE_PX

OUTCOMES_SCHEMA = pl.Schema(
    {
        "product_id": pl.String(),
        "image_url": pl.String(),
        "status": pl.String(),
        "http_status": pl.Int32(),
        "final_url": pl.String(),
        "attempts": pl.Int32(),
        "bytes": pl.Int64(),
        "width": pl.Int32(),
        "height": pl.Int32(),
        "sha256": pl.String(),
        "dhash": pl.UInt64(),
        "short_side_limit_px": pl.Int32(),
        "shard": pl.String(),
        "etag": pl.String(),
        "last_modified": pl.String(),
        "duration_ms": pl.Float64(),
        "fetched_at": pl.Datetime("us", "UTC"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One row of the outcomes table; size, hashes and shard are the stored image's, null without one."""

    product_id: str
    image_url: str | None
    status: Status
    http_status: int | None
    final_url: str | None
    attempts: int
    bytes: int | None
    width: int | None
    height: int | None
    sha256: str | None
    dhash: int | None
    short_side_limit_px: int | None  # the setting with which the image was stored
    shard: str | None
    etag: str | None  # the server's names for this version of the image, for conditional requests
    last_modified: str | None
    duration_ms: float
    fetched_at: datetime


_COLUMNS = tuple(field.name for field in fields(Outcome))


def outcomes_table(outcomes: Iterable[Outcome]) -> pl.DataFrame:
    """Returns the outcomes as a table of OUTCOMES_SCHEMA, in their order."""
    rows = [tuple(getattr(outcome, name) for name in _COLUMNS) for outcome in outcomes]
    return pl.DataFrame(rows, schema=OUTCOMES_SCHEMA, orient="row")


def is_reduced(resolution: int) -> pl.Expr:
    """Selects images that were reduced to a limit below this resolution; one whose original was smaller was not."""
    limit = pl.col("short_side_limit_px").fill_null(FORMER_SHORT_SIDE_PX)
    short_side = pl.min_horizontal("width", "height")
    return (pl.col("status") == Status.OK) & (limit < resolution) & (short_side >= limit)


def health(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Counts outcomes by status, most frequent first: status, retryable, num, share (0..1 of all outcomes)."""
    counts = outcomes.group_by("status").agg(pl.len().cast(pl.Int64).alias("num"))
    return counts.select(
        "status",
        pl.col("status").is_in(values(RETRYABLE)).alias("retryable"),
        "num",
        (pl.col("num") / pl.col("num").sum()).alias("share"),
    ).sort("num", "status", descending=[True, False])
