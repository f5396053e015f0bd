"""Succession: what becomes of a product that is delivered again, or no longer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from catalog.deliveries import feed_key

REMOVED_AT = "removed_at"
REMOVED_AT_TYPE = pl.Datetime("us", "UTC")


def succeed(former: pl.DataFrame | None, delivered: pl.DataFrame, *, removed_at: datetime) -> pl.DataFrame:
    """The products of a delivery after its feed came anew: `delivered` with the column `removed_at`.

    A product that the former version held and the new one lacks stays, `removed_at` (UTC) telling since when; it is
    null for a product that is there, or there again. Known products keep their places and new ones come after them,
    for pictures are kept in shards that are cut by place: a product that moved would be fetched again.
    `row` is a product's row in the feed that last held it.
    """
    present = delivered.with_columns(pl.lit(None, REMOVED_AT_TYPE).alias(REMOVED_AT))
    if former is None:
        return present
    # What an older version of the program wrote may lack columns, or have some that are gone.
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in present.schema.items() if name not in former.columns]
    known = former.with_columns(lacking).select(present.columns).cast(present.schema)
    gone = known.join(present, on="product_id", how="anti").with_columns(
        pl.col(REMOVED_AT).fill_null(pl.lit(removed_at, REMOVED_AT_TYPE))
    )
    places = pl.concat([known["product_id"], present["product_id"]]).unique(maintain_order=True).to_frame()
    return places.join(pl.concat([present, gone]), on="product_id", maintain_order="left").select(present.columns)


def current_products(products: pl.DataFrame, delivery_order: Sequence[str]) -> pl.DataFrame:
    """Each product once, by the row that counts; `delivery_order` names the deliveries, oldest first.

    A row that is there counts before a removed one, wherever it is; then the newest feed's; within one feed, whose
    slices are one delivery cut in pieces, the first slice's first row. A product whose row has `removed_at` is in no
    feed any more. In the order of `products`, which needs the columns product_id, delivery, row and removed_at.
    The view `current_products` of the warehouse says the same in SQL.
    Raises ValueError for a delivery that the order lacks.
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
        .with_row_index("_place")
        .join(ranks.lazy(), on="delivery")
        .sort(REMOVED_AT, -pl.col("_feed_rank"), "delivery", "row")
        .unique("product_id", keep="first", maintain_order=True)
        .select("_place")
        .sort("_place")
        .collect()
    )
    return products[counting["_place"]]
