"""Merchant Center: supplemental feeds with the id and the Google category of each item, one file per partner.

Source: Google Merchant Center Help, "Product data specification" (answer 7052112): tab-separated UTF-8 with attribute
names in the first line; `id` has 1 to 50 characters and no control characters; `google_product_category` is one id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

MAX_ID_CHARACTERS = 50
_ID_CHARACTERS = r"^\P{Cc}+$"


def write_supplemental_feed(
    frames: Iterable[pl.DataFrame], path: Path, google_categories: Mapping[int, int]
) -> Counter[str]:
    """Writes one partner's feed and counts its items, and those that are left out by reason.

    Args:
        frames: rows with item_id and category_id.
        path: file to write; there is none where no item is left.
        google_categories: Google's category of each category; see `catalog.taxonomy.google`.
    """
    google = pl.DataFrame(
        list(google_categories.items()),
        schema={"category_id": pl.Int64, "google_product_category": pl.Int64},
        orient="row",
    )
    counts: Counter[str] = Counter()
    with path.open("wb") as file:
        file.write(b"id\tgoogle_product_category\n")
        for frame in frames:
            rows = frame.select("item_id", "category_id").join(google, on="category_id", how="left")
            rows = rows.with_columns(reason=_reason())
            items = rows.filter(pl.col("reason") == "items").select("item_id", "google_product_category")
            items.write_csv(file, separator="\t", include_header=False, quote_style="necessary")
            counts.update(dict(rows["reason"].value_counts().iter_rows()))
    if not counts["items"]:
        path.unlink()
    return counts


def _reason() -> pl.Expr:
    """Classifies a row: "items", or the reason why Google would refuse it."""
    return (
        pl.when(pl.col("category_id").is_null())
        .then(pl.lit("without a category"))
        .when(pl.col("google_product_category").is_null())
        .then(pl.lit("without a Google category"))
        .when(pl.col("item_id").str.len_chars() > MAX_ID_CHARACTERS)
        .then(pl.lit(f"with an id above {MAX_ID_CHARACTERS} characters"))
        .when(~pl.col("item_id").str.contains(_ID_CHARACTERS))
        .then(pl.lit("with control characters in the id"))
        .otherwise(pl.lit("items"))
    )
