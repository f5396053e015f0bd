"""Drift: whether a delivery's products are still what the champion was trained on."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from catalog.drift import LARGE, Shift, shift
from catalog_assets.catalogue import universal_catalogue
from catalog_assets.conditions import refresh_with_its_delivery
from catalog_assets.markdown import picture, table
from catalog_assets.partitions import deliveries
from catalog_assets.versions import content_version
from resources.store import Store

MIN_PRODUCTS = 50  # of a delivery; fewer say nothing of its shares
MAX_UNSURE_OVER = 0.1  # by how much the share without a leaf may exceed that of the training products
MAX_LOST_OVER = 0.1  # by how much the share without a picture may exceed that of the other deliveries
SHIFT_CHECK, SURE_CHECK, PICTURES_CHECK = (
    "categories_have_not_shifted",
    "as_sure_as_in_training",
    "pictures_as_available_as_elsewhere",
)


@dg.asset(
    deps=[universal_catalogue],
    partitions_def=deliveries,
    io_manager_key="tables",
    group_name="catalogue",
    kinds={"polars", "matplotlib"},
    code_version="2",
    automation_condition=refresh_with_its_delivery,
    check_specs=[
        dg.AssetCheckSpec(
            SHIFT_CHECK, asset="drift", description=f"Population stability index, beyond chance, below {LARGE}."
        ),
        dg.AssetCheckSpec(
            SURE_CHECK,
            asset="drift",
            description=f"The share without a sure leaf is at most {MAX_UNSURE_OVER:.0%} above that of training.",
        ),
        dg.AssetCheckSpec(
            PICTURES_CHECK,
            asset="drift",
            description=f"The share without a picture is at most {MAX_LOST_OVER:.0%} above that of other deliveries.",
        ),
    ],
)
def drift(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """A delivery's categories beside those of the training products, as the same deployment answers for both.

    Beside them, its downloads: products that got no picture have no category.
    """
    from catalog.drift_plots import draw_shift

    delivery = context.partition_key
    own = store.scan("universal_catalogue", [delivery]).collect()
    training = dataset.filter(pl.col("split") == "train").select("product_id")
    reference = store.scan("universal_catalogue").join(training, on="product_id").collect()
    same = own["version"].unique().to_list()
    reference = reference.filter(pl.col("version").is_in(same))
    if own.is_empty() or reference.is_empty():
        raise dg.Failure(
            f"{len(own)} answers of {delivery!r} and {len(reference)} of training products by the same deployment; "
            "materialise universal_catalogue of all deliveries first"
        )
    moved = shift(own["leaf_id"], reference["leaf_id"])
    unsure, unsure_before = (_share_unsure(each) for each in (own, reference))
    lost, lost_elsewhere = _shares_lost(store, delivery)
    is_small = len(own) < MIN_PRODUCTS
    has_shifted = not is_small and moved.beyond_chance >= LARGE
    is_unsure = not is_small and unsure > unsure_before + MAX_UNSURE_OVER
    frame = pl.DataFrame(
        {
            "delivery": [delivery],
            "num_products": [len(own)],
            "num_training": [len(reference)],
            "stability_index": [moved.index],
            "by_chance": [moved.by_chance],
            "beyond_chance": [moved.beyond_chance],
            "share_unsure": [unsure],
            "share_unsure_training": [unsure_before],
            "share_lost": [lost],
            "share_lost_elsewhere": [lost_elsewhere],
            "has_shifted": [has_shifted],
            "is_unsure": [is_unsure],
        }
    )
    named = _named(moved, store)
    plot = draw_shift(named, f"{delivery}: stability index {moved.beyond_chance:.2f} beyond chance")
    yield dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "what moved": dg.MetadataValue.md(picture(plot, "shares of leaves")),
            "shares": dg.MetadataValue.md(table(named.head(20))),
            "beyond chance": moved.beyond_chance,
            "share unsure": unsure,
            "share without a picture": lost,
        },
    )
    small = f"; {len(own)} products are too few to judge by" if is_small else ""
    yield dg.AssetCheckResult(
        check_name=SHIFT_CHECK,
        passed=not has_shifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{moved.index:.3f}, of which {moved.by_chance:.3f} by chance; most in {named['name'][0]!r}{small}",
        metadata={"beyond_chance": moved.beyond_chance},
    )
    yield dg.AssetCheckResult(
        check_name=SURE_CHECK,
        passed=not is_unsure,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{unsure:.1%} without a sure leaf, {unsure_before:.1%} of training products{small}",
        metadata={"share_unsure": unsure, "share_unsure_training": unsure_before},
    )
    yield dg.AssetCheckResult(
        check_name=PICTURES_CHECK,
        passed=is_small or lost <= lost_elsewhere + MAX_LOST_OVER,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{lost:.1%} without a picture, {lost_elsewhere:.1%} of other deliveries{small}",
        metadata={"share_lost": lost, "share_lost_elsewhere": lost_elsewhere},
    )


def _share_unsure(labels: pl.DataFrame) -> float:
    """The share of products whose answer is not the leaf."""
    return int(labels["category_id"].ne_missing(labels["leaf_id"]).sum()) / len(labels)


def _shares_lost(store: Store, delivery: str) -> tuple[float, float]:
    """The share of links that led to no picture, of this delivery and of all others together (0 where it is alone)."""
    is_own = pl.col("delivery") == delivery
    counted = store.scan("outcomes").group_by(is_own=is_own).agg(lost=(pl.col("status") != "ok").mean()).collect()
    shares = dict(counted.iter_rows())
    return shares[True], shares.get(False, 0.0)


def _named(moved: Shift, store: Store) -> pl.DataFrame:
    names = store.scan("taxonomy").select("category_id", "name").collect()
    return moved.shares.join(names, on="category_id", how="left", maintain_order="left").select(
        pl.col("name").fill_null(pl.col("category_id").cast(pl.String)), "found", "expected", "contribution"
    )
