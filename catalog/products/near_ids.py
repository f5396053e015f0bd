"""Near ids: suggestions for a product id that does not exist."""

from __future__ import annotations

import polars as pl

NUM_SHOWN = 3
MIN_SHARE_IN_COMMON = 0.6


def near_ids(wanted: str, product_ids: pl.LazyFrame) -> list[str]:
    """Return at most three ids of the column product_id that begin and end most like `wanted`, the nearest first.

    A wrong, missing or additional character leaves all others in the common beginning and end. Millions of ids cost
    one pass over the column.
    """
    column = pl.col("product_id")
    shared = [
        matches.cast(pl.Int32)
        for length in range(1, len(wanted) + 1)
        for matches in (column.str.starts_with(wanted[:length]), column.str.ends_with(wanted[-length:]))
    ]
    nearest = (
        product_ids.select("product_id")
        .with_columns(in_common=pl.sum_horizontal(pl.lit(0, dtype=pl.Int32), *shared))
        .filter(pl.col("in_common") >= MIN_SHARE_IN_COMMON * pl.max_horizontal(column.str.len_chars(), len(wanted), 1))
        .top_k(NUM_SHOWN, by=["in_common", "product_id"], reverse=[False, True])
        .sort("in_common", "product_id", descending=[True, False])
    )
    return nearest.collect()["product_id"].to_list()
