"""Products of partners' feeds, row by row, and the rejected rows."""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import polars as pl

from catalog.feeds.deliveries import Delivery
from catalog_assets.idioms.retries import NETWORK, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.ingestion.inbox import source_of
from catalog_assets.ingestion.taxonomies import refuse_replaced_ids, taxonomy, taxonomy_moves
from catalog_assets.partitions import deliveries
from resources.feed_parser import FeedParser
from resources.policies import ArrivalPolicy
from resources.store import Store

feed_files = dg.AssetSpec(
    "feed_files",
    description="Feed files as partners delivered them, in the store's inbox or by URL; big ones in parts.",
    partitions_def=deliveries,
    group_name="ingestion",
    kinds={"file"},
)


@dg.multi_asset(
    name="parse_products",
    partitions_def=deliveries,
    deps=[feed_files, taxonomy, taxonomy_moves],
    backfill_policy=dg.BackfillPolicy.multi_run(1),
    group_name="ingestion",
    outs={
        "products": dg.AssetOut(
            description="Products as partners delivered them, their category resolved in the taxonomy.",
            io_manager_key="tables",
            kinds={"parquet", "polars"},
            code_version="4",
        ),
        "rejected": dg.AssetOut(
            description="Feed rows, labels or attributes that were rejected, each with its reason.",
            io_manager_key="tables",
            kinds={"parquet", "polars"},
            code_version="1",
        ),
    },
)
@retried(NETWORK)
def products_and_rejected(
    context: dg.AssetExecutionContext, store: Store, feed_parser: FeedParser, arrival_policy: ArrivalPolicy
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Parses one delivery into the product table; products that an earlier version had and it lacks are removed."""
    from catalog.products.delivery_parsing import DeliveryTask
    from catalog.products.redelivery import REMOVED_AT, merge_redelivery

    delivery = Delivery.load(store.delivery_records, context.partition_key)
    known = store.taxonomy()
    refuse_replaced_ids(store, known)
    task = DeliveryTask(
        delivery=delivery,
        source=source_of(store, delivery, arrival_policy.access),
        partner=store.partner(delivery.partner_id),
        taxonomy=known,
        moves=store.taxonomy_moves(known),
    )
    parsed = feed_parser.parse(task)
    former = store.scan("products", [delivery.key]).collect() if store.holds("products", delivery.key) else None
    received_at = datetime.fromisoformat(delivery.received_at)
    products, rejected = merge_redelivery(former, parsed.products, removed_at=received_at), parsed.rejected
    removed = products[REMOVED_AT].count()
    context.log.info(
        f"{delivery.key}: {len(parsed.products):,} products parsed, {len(rejected):,} rows rejected; "
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
            "detected": dg.MetadataValue.json(dict(delivery.detected)),
            "removed": removed,
            "labeled": products["category_id"].count(),
        },
    )
    reasons = rejected["reason"].value_counts(sort=True)
    yield dg.MaterializeResult(
        asset_key="rejected",
        value=rejected,
        data_version=content_version(rejected),
        metadata={"reasons": dg.MetadataValue.json(dict(reasons.iter_rows()))},
    )
