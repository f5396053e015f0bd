"""Products: what partners delivered, row by row, and the rows that could not be taken."""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import polars as pl

from catalog.deliveries import Delivery
from catalog_assets.inbox import feed_place
from catalog_assets.partitions import deliveries
from catalog_assets.taxonomies import taxonomy, taxonomy_moves
from catalog_assets.versions import content_version
from resources.feed_taker import FeedTaker
from resources.store import Store

feed_files = dg.AssetSpec(
    "feed_files",
    description="Feed files as partners delivered them, in the store's inbox or by URL; big ones by slices.",
    partitions_def=deliveries,
    group_name="catalogue",
    kinds={"file"},
)


@dg.multi_asset(
    name="take_products",
    partitions_def=deliveries,
    deps=[feed_files, taxonomy, taxonomy_moves],
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    group_name="catalogue",
    outs={
        "products": dg.AssetOut(
            description="Products as partners delivered them, their category resolved in the taxonomy.",
            io_manager_key="tables",
            kinds={"parquet", "polars"},
            code_version="4",
        ),
        "rejected": dg.AssetOut(
            description="Feed rows, or labels, that could not be taken, each with its reason.",
            io_manager_key="tables",
            kinds={"parquet", "polars"},
            code_version="1",
        ),
    },
)
def take(
    context: dg.AssetExecutionContext, store: Store, feed_taker: FeedTaker
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Read one delivery's feed into the product table; what an earlier version of it held and it lacks is removed."""
    from catalog.succession import REMOVED_AT, succeed

    delivery = Delivery.load(store.delivery_records, context.partition_key)
    known = store.taxonomy()
    takings = feed_taker.take(
        delivery,
        feed_place(store, delivery),
        partner=store.partner(delivery.partner_id),
        taxonomy=known,
        moves=store.taxonomy_moves(known),
    )
    former = store.scan("products", [delivery.key]).collect() if store.holds("products", delivery.key) else None
    received_at = datetime.fromisoformat(delivery.received_at)
    products, rejected = succeed(former, takings.products, removed_at=received_at), takings.rejected
    removed = products[REMOVED_AT].count()
    context.log.info(
        f"{delivery.key}: {len(takings.products):,} products taken, {len(rejected):,} rows rejected; "
        f"{removed:,} products of earlier versions are removed"
    )
    yield dg.MaterializeResult(
        asset_key="products",
        value=products,
        data_version=content_version(products),
        metadata={
            "feed": delivery.feed,
            "feed_sha256": delivery.sha256,
            "delivery_version": delivery.version,
            "first_row": delivery.part.first_row,
            "removed": removed,
            "labelled": products["category_id"].count(),
        },
    )
    reasons = rejected["reason"].value_counts(sort=True)
    yield dg.MaterializeResult(
        asset_key="rejected",
        value=rejected,
        data_version=content_version(rejected),
        metadata={"reasons": dg.MetadataValue.json(dict(reasons.iter_rows()))},
    )
