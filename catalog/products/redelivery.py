"""Redelivery: products that are delivered again, or no longer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from catalog.feeds.deliveries import feed_key

REMOVED_AT = "removed_at"
REMOVED_AT_TYPE = pl.Datetime("us", "UTC")


def merge_redelivery(former: pl.DataFrame | None, delivered: pl.DataFrame, *, removed_at: datetime) -> pl.DataFrame:
    """Return the products of a delivery after its feed was delivered again: `delivered` with the column `removed_at`.

    A product of the former version that the new one lacks stays, with the time `removed_at` (UTC), which is null for
    products of the new version. Known products keep their positions and new ones follow, since shards of images are
    ranges of positions: a product that moved would be fetched again. `row` is the row in the feed that last had it.
    """
    present = delivered.with_columns(pl.lit(None, REMOVED_AT_TYPE).alias(REMOVED_AT))
    if former is None:
        return present
    # A table of an older version of the program may lack columns, or have more.
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in present.schema.items() if name not in former.columns]
    known = former.with_columns(missing).select(present.columns).cast(present.schema)
    gone = known.join(present, on="product_id", how="anti").with_columns(
        pl.col(REMOVED_AT).fill_null(pl.lit(removed_at, REMOVED_AT_TYPE))
    )
    positions = pl.concat([known["product_id"], present["product_id"]]).unique(maintain_order=True).to_frame()
    return positions.join(pl.concat([present, gone]), on="product_id", maintain_order="left").select(present.columns)


def current_products(products: pl.DataFrame, delivery_order: Sequence[str]) -> pl.DataFrame:
    """Return each product once, by the row that counts, in the order of `products`.

    A row that is not removed counts before a removed one; then the row of the newest feed; within one feed, the first
    row of its first part. A product whose row has `removed_at` is in no feed any more. The view `current_products` of
    the warehouse is the same in SQL.

    Args:
        products: Rows with product_id, delivery, row and removed_at.
        delivery_order: The keys of the deliveries, oldest first.

    Raises:
        ValueError: The order lacks a delivery.
    """
    unknown = set(products["delivery"].unique()) - set(delivery_order)
    if unknown:
        raise ValueError(f"deliveries {sorted(unknown)} are not in the delivery order {list(delivery_order)}")
    rank_of_feed = {feed_key(key): rank for rank, key in enumerate(delivery_order)}  # its newest delivery's
    ranks = pl.DataFrame(
        {"delivery": list(delivery_order), "_feed_rank": [rank_of_feed[feed_key(key)] for key in delivery_order]},
        schema={"delivery": pl.String, "_feed_rank": pl.Int64},
    )
    counting = (
        products.lazy()
        .select("product_id", "delivery", "row", pl.col(REMOVED_AT).is_not_null())
        .with_row_index("_position")
        .join(ranks.lazy(), on="delivery")
        .sort(REMOVED_AT, -pl.col("_feed_rank"), "delivery", "row")
        .unique("product_id", keep="first", maintain_order=True)
        .select("_position")
        .sort("_position")
        .collect()
    )
    return products[counting["_position"]]
