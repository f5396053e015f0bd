"""Near ids: what somebody may have meant who asked for a product that there is not."""

from __future__ import annotations

import difflib

import polars as pl

MAX_CANDIDATES = 2_000
NUM_SHOWN = 3


def near_ids(wanted: str, product_ids: pl.LazyFrame) -> list[str]:
    """At most three ids of the column product_id that are spelled most like `wanted`, the nearest first.

    Only ids about as long are looked at, those with the longest beginning in common first, so that millions cost one
    pass over the column.
    """
    column = pl.col("product_id")
    begins = [column.str.starts_with(wanted[:length]).cast(pl.Int32) for length in range(1, len(wanted) + 1)]
    candidates = (
        product_ids.select("product_id")
        .filter((column.str.len_chars().cast(pl.Int32) - len(wanted)).abs() <= 2)
        .with_columns(pl.sum_horizontal(pl.lit(0, dtype=pl.Int32), *begins).alias("in_common"))
        .top_k(MAX_CANDIDATES, by="in_common")
        .select("product_id")
        .collect()
    )
    return difflib.get_close_matches(wanted, sorted(candidates["product_id"]), n=NUM_SHOWN, cutoff=0.6)
