"""Products: what partners delivered, row by row, and the rows that could not be taken."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from catalog.deliveries import Delivery
from catalog.files import fingerprint
from catalog_assets.partitions import deliveries
from catalog_assets.taxonomies import taxonomy, taxonomy_moves
from catalog_assets.versions import content_version
from resources.store import Store

feed_files = dg.AssetSpec(
    "feed_files",
    description="Feed files in the store's inbox, as partners delivered them.",
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
            code_version="1",
        ),
        "rejected": dg.AssetOut(
            description="Feed rows, or labels, that could not be taken, each with its reason.",
            io_manager_key="tables",
            kinds={"parquet", "polars"},
            code_version="1",
        ),
    },
)
def take(context: dg.AssetExecutionContext, store: Store) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Read one delivery's feed into the product table."""
    from catalog.feeds import FEED_READERS
    from catalog.products import take_products

    delivery = Delivery.load(store.delivery_records, context.partition_key)
    feed = store.inbox / delivery.feed
    if fingerprint(feed) != delivery.sha256:
        raise dg.Failure(
            f"feed {feed} changed since delivery {delivery.key!r} was registered; "
            "wait for feed_sensor to register it again"
        )
    known = store.taxonomy()
    with feed.open("rb") as source:
        takings = take_products(
            FEED_READERS[delivery.feed_format](source, str(feed)),
            partner=store.partner(delivery.partner_id),
            delivery=delivery.key,
            taxonomy=known,
            moves=store.taxonomy_moves(known),
        )
    products, rejected = takings.products, takings.rejected
    context.log.info(f"{delivery.key}: {len(products):,} products taken, {len(rejected):,} rows rejected")
    yield dg.MaterializeResult(
        asset_key="products",
        value=products,
        data_version=content_version(products),
        metadata={
            "feed": str(feed),
            "feed_sha256": delivery.sha256,
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
