"""Published rates: the shares of links that a published 36-million-product catalog lost, to compare others with."""

from __future__ import annotations

import polars as pl

from catalog.images.statuses import Status

IMAGE, INVALID, NOT_DOWNLOADABLE = "image", "invalid link", "not downloadable"
PUBLISHED_RATES = {INVALID: 0.01, NOT_DOWNLOADABLE: 0.12}


def published_group(status: str = "status") -> pl.Expr:
    """Maps statuses to the groups in which rates are published: an image, an invalid link, not downloadable."""
    return (
        pl.when(pl.col(status) == Status.OK)
        .then(pl.lit(IMAGE))
        .when(pl.col(status) == Status.INVALID_URL)
        .then(pl.lit(INVALID))
        .otherwise(pl.lit(NOT_DOWNLOADABLE))
        .alias("group")
    )


def beside_published(groups: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows (group, num, share, ...) of the groups of bad links with a column `published`, one row each."""
    published = pl.DataFrame({"group": list(PUBLISHED_RATES), "published": list(PUBLISHED_RATES.values())})
    found = published.join(groups, on="group", how="left", maintain_order="left")
    return found.select(*groups.columns, "published").with_columns(pl.col("num", "share").fill_null(0))
