"""Products: what partners delivered, row by row, and the rows that could not be taken."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from catalog.deliveries import Delivery
from catalog.files import fingerprint
from catalog_assets.partitions import deliveries
from catalog_assets.versions import content_version
from resources.store import Store

feed_files = dg.AssetSpec(
    "feed_files",
    description="Feed files in the store's inbox, as partners delivered them.",
    partitions_def=deliveries,
    group_name="catalogue",
    kinds={"file"},
)


@dg.asset(
    group_name="catalogue",
    kinds={"parquet"},
    io_manager_key="tables",
    code_version="1",
    automation_condition=dg.AutomationCondition.on_missing(),
)
def taxonomy(store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """The taxonomy as a table: every node with its path and its ancestors at levels 1 to 4."""
    known = store.taxonomy()
    frame = known.table()
    return dg.MaterializeResult(
        value=frame,
        data_version=dg.DataVersion(known.fingerprint),
        metadata={"nodes": len(known), "leaves": len(known.leaves)},
    )


@dg.multi_asset(
    name="take_products",
    partitions_def=deliveries,
    deps=[feed_files, taxonomy],
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
    with feed.open("rb") as source:
        takings = take_products(
            FEED_READERS[delivery.feed_format](source, str(feed)),
            partner=store.partner(delivery.partner_id),
            delivery=delivery.key,
            taxonomy=store.taxonomy(),
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
