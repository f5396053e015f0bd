"""Products of partners' feeds, row by row, and the rejected rows; a version beyond its limits replaces nothing."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from catalog.feeds.deliveries import Delivery
from catalog_assets.idioms.partitioned_checks import partitioned_check
from catalog_assets.idioms.retries import NETWORK, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.ingestion.inbox import source_of
from catalog_assets.ingestion.taxonomies import refuse_replaced_ids, taxonomy, taxonomy_moves
from catalog_assets.partitions import deliveries
from resources.feed_parser import FeedParser
from resources.policies import ArrivalPolicy, GatePolicy
from resources.store import Store

if TYPE_CHECKING:
    from catalog.products.feed_verdicts import FeedVerdict

GATE = "feed_may_be_replaced"
STOPPED_VERSION = "stopped_version"  # metadata of a failure by which a version is stopped

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
    check_specs=[
        partitioned_check(
            GATE,
            asset="feed_comparison",
            partitions_def=deliveries,
            blocking=True,
            description="The version of the feed is within the limits of change, or a person has accepted it.",
        )
    ],
    outs={
        "feed_comparison": dg.AssetOut(
            description="The version of a feed beside the one that is served: what it would remove, add and change.",
            dagster_type=dg.Nothing,
            kinds={"polars"},
            code_version="1",
        ),
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
    context: dg.AssetExecutionContext,
    store: Store,
    feed_parser: FeedParser,
    arrival_policy: ArrivalPolicy,
    gate_policy: GatePolicy,
) -> Iterator[dg.MaterializeResult[None] | dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """Parses one delivery into the product table; products that an earlier version had and it lacks are removed."""
    from catalog.products.delivery_parsing import DeliveryTask
    from catalog.products.redelivery import REMOVED_AT, merge_redelivery
    from catalog_assets.ingestion.feed_gate import FeedGate
    from catalog_assets.ingestion.feed_publication import FeedPublication

    delivery = Delivery.load(store.delivery_records, context.partition_key)
    publication = FeedPublication(store=store, delivery=delivery, num_kept=gate_policy.kept_versions)
    known, partner = store.taxonomy(), store.partner(delivery.partner_id)
    refuse_replaced_ids(store, known)
    moves = store.taxonomy_moves(known)

    def task_of(each: Delivery) -> DeliveryTask:
        source = source_of(store, each, arrival_policy.access)
        return DeliveryTask(delivery=each, source=source, partner=partner, taxonomy=known, moves=moves)

    parsed = publication.restored(known)
    if parsed is None:
        parsed = feed_parser.parse(task_of(delivery))
    gate = FeedGate(store=store, limits=partner.limits(gate_policy.limits), task_of=task_of, parse=feed_parser.parse)
    verdict = gate.verdict(delivery, parsed)
    yield from _judged(verdict, delivery)
    former = store.scan("products", [delivery.key]).collect() if store.holds("products", delivery.key) else None
    removed_at = datetime.fromisoformat(publication.removed_at)
    products, rejected = merge_redelivery(former, parsed.products, removed_at=removed_at), parsed.rejected
    removed = products[REMOVED_AT].count()
    context.log.info(
        f"{delivery.key}: {len(parsed.products):,} products parsed, {len(rejected):,} rows rejected; "
        f"{removed:,} products of earlier versions are removed"
    )
    publication.keep_former()
    yield from _tables(delivery, products, rejected, int(removed))
    publication.finish()


def _judged(verdict: "FeedVerdict", delivery: Delivery) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Yields the comparison and its check.

    Raises:
        dg.Failure: the version must not replace the one that is served; a retry would say the same.
    """
    numbers = {name: value for name, value in verdict.numbers.items() if value is not None and value != ""}
    yield dg.MaterializeResult(
        asset_key="feed_comparison",
        data_version=dg.DataVersion(f"{verdict.version}-{verdict.state}-{verdict.against}"),
        metadata={"verdict": verdict.state, "version": verdict.version, "served_version": verdict.against, **numbers},
    )
    passed = not verdict.is_stopped
    who = f" (by {verdict.decided_by})" if verdict.decided_by else ""
    yield dg.AssetCheckResult(
        asset_key="feed_comparison",
        check_name=GATE,
        passed=passed,
        description=f"version {verdict.version} of {verdict.feed_key} is {verdict.state}{who}"
        if passed
        else verdict.message,
        metadata={"limits": dg.MetadataValue.json(dict(verdict.limits))},
    )
    if not passed:
        raise dg.Failure(
            description=verdict.message,
            metadata={STOPPED_VERSION: verdict.version, "delivery": delivery.key},
            allow_retries=False,
        )


def _tables(
    delivery: Delivery, products: pl.DataFrame, rejected: pl.DataFrame, removed: int
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Yields the two tables of a delivery."""
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
