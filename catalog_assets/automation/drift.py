"""Drift: compares each delivery's predicted categories with those of the champion's training products."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from catalog.evaluation.drift import LARGE, Shift, shift
from catalog_assets.idioms.conditions import refresh_with_its_delivery
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.partitioned_checks import partitioned_check
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import deliveries
from catalog_assets.serving.universal_catalog import universal_catalog
from resources.store import Store

MIN_PRODUCTS = 50  # of a delivery; the shares of fewer are too uncertain
MAX_UNCERTAIN_OVER = 0.1  # by how much the share without a leaf may exceed that of the training products
MAX_WITHOUT_IMAGE_OVER = 0.1  # by how much the share without an image may exceed that of the other deliveries
SHIFT_CHECK, CONFIDENCE_CHECK, IMAGES_CHECK = (
    "categories_have_not_shifted",
    "as_confident_as_in_training",
    "images_as_available_as_elsewhere",
)

COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "delivery": pl.String,
    **dict.fromkeys(("num_products", "num_training"), pl.Int64),
    **dict.fromkeys(("stability_index", "by_chance", "beyond_chance"), pl.Float64),  # null without an image
    **dict.fromkeys(
        ("share_uncertain", "share_uncertain_training", "share_without_image", "share_without_image_elsewhere"),
        pl.Float64,
    ),
    **dict.fromkeys(("has_shifted", "is_uncertain"), pl.Boolean),
}


@dg.asset(
    deps=[universal_catalog],
    partitions_def=deliveries,
    io_manager_key="tables",
    group_name="automation",
    kinds={"polars", "matplotlib"},
    code_version="2",
    automation_condition=refresh_with_its_delivery,
    check_specs=[
        partitioned_check(
            SHIFT_CHECK,
            asset="drift",
            partitions_def=deliveries,
            description=f"Population stability index, beyond chance, below {LARGE}.",
        ),
        partitioned_check(
            CONFIDENCE_CHECK,
            asset="drift",
            partitions_def=deliveries,
            description=f"Share without a confident leaf at most {MAX_UNCERTAIN_OVER:.0%} above that of training.",
        ),
        partitioned_check(
            IMAGES_CHECK,
            asset="drift",
            partitions_def=deliveries,
            description=f"Share without an image at most {MAX_WITHOUT_IMAGE_OVER:.0%} above that of other deliveries.",
        ),
    ],
)
def drift(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """Predicted categories of a delivery compared with those of the training products, by the same deployment.

    Its failed downloads are compared, too, because products without an image have no category.
    """
    from catalog.evaluation.drift_plots import draw_shift

    delivery = context.partition_key
    own = store.scan("universal_catalog", [delivery]).collect()
    training = dataset.filter(pl.col("split") == "train").select("product_id")
    reference = store.scan("universal_catalog").join(training, on="product_id").collect()
    reference = reference.filter(pl.col("version").is_in(own["version"].unique().to_list()))
    if len(own) and reference.is_empty():
        raise dg.Failure(
            f"{len(own)} predictions of {delivery!r}, but none of training products by the same deployment; "
            "materialize universal_catalog of all deliveries first"
        )
    shifted = shift(own["leaf_id"], reference["leaf_id"]) if len(own) else None
    uncertain, uncertain_before = _share_uncertain(own), _share_uncertain(reference)
    num_links, lost, lost_elsewhere = _downloads(store, delivery)
    is_large_enough = len(own) >= MIN_PRODUCTS
    has_shifted = shifted is not None and is_large_enough and shifted.beyond_chance >= LARGE
    is_uncertain = is_large_enough and uncertain > uncertain_before + MAX_UNCERTAIN_OVER
    row = {
        "delivery": delivery,
        "num_products": len(own),
        "num_training": len(reference),
        "stability_index": shifted and shifted.index,
        "by_chance": shifted and shifted.by_chance,
        "beyond_chance": shifted and shifted.beyond_chance,
        "share_uncertain": uncertain,
        "share_uncertain_training": uncertain_before,
        "share_without_image": lost,
        "share_without_image_elsewhere": lost_elsewhere,
        "has_shifted": has_shifted,
        "is_uncertain": is_uncertain,
    }
    frame = pl.DataFrame([row], schema=COLUMNS)
    metadata: dict[str, Any] = {"share without an image": lost}
    most = ""
    if shifted is not None:
        named = _named(shifted, store)
        plot = draw_shift(named, f"{delivery}: stability index {shifted.beyond_chance:.2f} beyond chance")
        most = f"{shifted.index:.3f}, of which {shifted.by_chance:.3f} by chance; most in {named['name'][0]!r}"
        metadata |= {
            "shift": dg.MetadataValue.md(image_markdown(plot, "shares of leaves")),
            "shares": dg.MetadataValue.md(table(named.head(20))),
            "beyond chance": shifted.beyond_chance,
            "share uncertain": uncertain,
        }
    yield dg.MaterializeResult(value=frame, data_version=content_version(frame), metadata=metadata)
    few = "" if is_large_enough else f"; {len(own)} products with an image are too few for a comparison"
    yield _check(SHIFT_CHECK, passed=not has_shifted, description=f"{most}{few}")
    yield _check(
        CONFIDENCE_CHECK,
        passed=not is_uncertain,
        description=f"{uncertain:.1%} without a confident leaf, {uncertain_before:.1%} of training products{few}",
    )
    few = "" if num_links >= MIN_PRODUCTS else f"; {num_links} links are too few for a comparison"
    yield _check(
        IMAGES_CHECK,
        passed=bool(few) or lost <= lost_elsewhere + MAX_WITHOUT_IMAGE_OVER,
        description=f"{lost:.1%} without an image, {lost_elsewhere:.1%} of other deliveries{few}",
    )


def _check(name: str, *, passed: bool, description: str) -> dg.AssetCheckResult:
    """Returns a check result that only warns: a delivery that has drifted is still categorized."""
    return dg.AssetCheckResult(
        check_name=name, passed=passed, severity=dg.AssetCheckSeverity.WARN, description=description.lstrip("; ")
    )


def _share_uncertain(predictions: pl.DataFrame) -> float:
    """The share of products whose predicted category is not a leaf; 0 without products."""
    return int(predictions["category_id"].ne_missing(predictions["leaf_id"]).sum()) / max(1, len(predictions))


def _downloads(store: Store, delivery: str) -> tuple[int, float, float]:
    """The number of a delivery's links, the share of them without an image, and the same share of other deliveries."""
    is_own = pl.col("delivery") == delivery
    lost = (pl.col("status") != "ok").mean()
    counted = store.scan("outcomes").group_by(is_own=is_own).agg(num=pl.len(), lost=lost).collect()
    by_origin = {is_own: (num, share) for is_own, num, share in counted.iter_rows()}
    num, share = by_origin.get(True, (0, 0.0))
    return num, share, by_origin.get(False, (0, 0.0))[1]


def _named(shifted: Shift, store: Store) -> pl.DataFrame:
    names = store.scan("taxonomy").select("category_id", "name").collect()
    return shifted.shares.join(names, on="category_id", how="left", maintain_order="left").select(
        pl.col("name").fill_null(pl.col("category_id").cast(pl.String)), "found", "expected", "contribution"
    )
