"""Drift: whether a delivery's products are still what the champion was trained on."""

from collections.abc import Iterator
from typing import Any

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

COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "delivery": pl.String,
    **dict.fromkeys(("num_products", "num_training"), pl.Int64),
    **dict.fromkeys(("stability_index", "by_chance", "beyond_chance"), pl.Float64),  # null without a picture
    **dict.fromkeys(("share_unsure", "share_unsure_training", "share_lost", "share_lost_elsewhere"), pl.Float64),
    **dict.fromkeys(("has_shifted", "is_unsure"), pl.Boolean),
}


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
    reference = reference.filter(pl.col("version").is_in(own["version"].unique().to_list()))
    if len(own) and reference.is_empty():
        raise dg.Failure(
            f"{len(own)} answers of {delivery!r} and none of training products by the same deployment; materialise "
            "universal_catalogue of all deliveries first"
        )
    moved = shift(own["leaf_id"], reference["leaf_id"]) if len(own) else None
    unsure, unsure_before = _share_unsure(own), _share_unsure(reference)
    num_links, lost, lost_elsewhere = _downloads(store, delivery)
    is_judged = len(own) >= MIN_PRODUCTS
    has_shifted = moved is not None and is_judged and moved.beyond_chance >= LARGE
    is_unsure = is_judged and unsure > unsure_before + MAX_UNSURE_OVER
    row = {
        "delivery": delivery,
        "num_products": len(own),
        "num_training": len(reference),
        "stability_index": moved and moved.index,
        "by_chance": moved and moved.by_chance,
        "beyond_chance": moved and moved.beyond_chance,
        "share_unsure": unsure,
        "share_unsure_training": unsure_before,
        "share_lost": lost,
        "share_lost_elsewhere": lost_elsewhere,
        "has_shifted": has_shifted,
        "is_unsure": is_unsure,
    }
    frame = pl.DataFrame([row], schema=COLUMNS)
    told: dict[str, Any] = {"share without a picture": lost}
    most = ""
    if moved is not None:
        named = _named(moved, store)
        plot = draw_shift(named, f"{delivery}: stability index {moved.beyond_chance:.2f} beyond chance")
        most = f"{moved.index:.3f}, of which {moved.by_chance:.3f} by chance; most in {named['name'][0]!r}"
        told |= {
            "what moved": dg.MetadataValue.md(picture(plot, "shares of leaves")),
            "shares": dg.MetadataValue.md(table(named.head(20))),
            "beyond chance": moved.beyond_chance,
            "share unsure": unsure,
        }
    yield dg.MaterializeResult(value=frame, data_version=content_version(frame), metadata=told)
    few = "" if is_judged else f"; {len(own)} products with a picture are too few to judge by"
    yield _check(SHIFT_CHECK, passed=not has_shifted, description=f"{most}{few}")
    yield _check(
        SURE_CHECK,
        passed=not is_unsure,
        description=f"{unsure:.1%} without a sure leaf, {unsure_before:.1%} of training products{few}",
    )
    few = "" if num_links >= MIN_PRODUCTS else f"; {num_links} links are too few to judge by"
    yield _check(
        PICTURES_CHECK,
        passed=bool(few) or lost <= lost_elsewhere + MAX_LOST_OVER,
        description=f"{lost:.1%} without a picture, {lost_elsewhere:.1%} of other deliveries{few}",
    )


def _check(name: str, *, passed: bool, description: str) -> dg.AssetCheckResult:
    """The result of a check that warns: what has drifted is still answered for."""
    return dg.AssetCheckResult(
        check_name=name, passed=passed, severity=dg.AssetCheckSeverity.WARN, description=description.lstrip("; ")
    )


def _share_unsure(labels: pl.DataFrame) -> float:
    """The share of products whose answer is not the leaf; 0 where there are none."""
    return int(labels["category_id"].ne_missing(labels["leaf_id"]).sum()) / max(1, len(labels))


def _downloads(store: Store, delivery: str) -> tuple[int, float, float]:
    """A delivery's links, the share of them that led to no picture, and that of all other deliveries' links."""
    is_own = pl.col("delivery") == delivery
    lost = (pl.col("status") != "ok").mean()
    counted = store.scan("outcomes").group_by(is_own=is_own).agg(num=pl.len(), lost=lost).collect()
    told = {is_own: (num, share) for is_own, num, share in counted.iter_rows()}
    num, share = told.get(True, (0, 0.0))
    return num, share, told.get(False, (0, 0.0))[1]


def _named(moved: Shift, store: Store) -> pl.DataFrame:
    names = store.scan("taxonomy").select("category_id", "name").collect()
    return moved.shares.join(names, on="category_id", how="left", maintain_order="left").select(
        pl.col("name").fill_null(pl.col("category_id").cast(pl.String)), "found", "expected", "contribution"
    )
