"""The assets `splits` and `dataset`: usable products, in groups and splits that last, ranked for label fractions."""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg
import polars as pl

from catalog_assets.dataset.duplicate_groups import group_metadata
from catalog_assets.dataset.former_splits import FormerSplits
from catalog_assets.idioms.conditions import when_all_inputs_exist
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.versions import content_version
from catalog_assets.ingestion.taxonomies import taxonomy
from resources.images import StoredImages
from resources.store import Store


@dg.multi_asset(
    name="build_dataset",
    deps=[taxonomy, "images", "placeholders"],
    group_name="dataset",
    pool="dataset",  # one at a time: each run continues the splits of the one before
    outs={
        "splits": dg.AssetOut(
            description="The group and split of every product that ever had an image; no later delivery changes them.",
            io_manager_key="tables",
            kinds={"parquet", "polars"},
            code_version="1",
            automation_condition=when_all_inputs_exist,
        ),
        "dataset": dg.AssetOut(
            description=(
                "Usable products of all deliveries, with their duplicate group, split, label rank and labels at four "
                "levels."
            ),
            io_manager_key="tables",
            kinds={"parquet", "polars"},
            code_version="5",
            automation_condition=when_all_inputs_exist,
        ),
    },
)
def dataset(
    context: dg.AssetExecutionContext,
    products: pl.LazyFrame,
    outcomes: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Groups and splits the usable products of all deliveries."""
    from catalog.dataset.assignments import Splitting
    from catalog.dataset.build import build_dataset

    rows_of_products, former = products.collect(), FormerSplits.read(store)
    built = build_dataset(
        rows_of_products,
        _with_placeholders(outcomes, store).collect(),
        splitting=Splitting(former=former.rows, partner_splits=store.partner_splits()),
        delivery_order=[
            record.key for record in store.served_deliveries(rows_of_products["delivery"].unique().to_list())
        ],
        taxonomy=store.taxonomy(),
        thumbnails=stored_images.thumbnails,
    )
    rows = built.rows
    context.log.info(f"dataset: {len(rows):,} usable products in {rows['group_id'].n_unique():,} groups")
    # Splits first: the table of this one file is the commit. A run that is killed before the dataset is written
    # continues from it to the same dataset, and no dataset has a split that is not in the table.
    former.refuse_if_replaced()
    yield dg.MaterializeResult(
        asset_key="splits",
        value=built.splits,
        data_version=content_version(built.splits),
        metadata={"new products": len(built.splits) - len(former.rows)},
    )
    splits = rows.group_by("split").agg(products=pl.len(), labeled=pl.col("category_id").count()).sort("split")
    yield dg.MaterializeResult(
        asset_key="dataset",
        value=rows,
        data_version=content_version(rows),
        metadata={
            **asdict(built.summary),
            "trainable_labels": num_trainable_labels(rows),
            "splits": dg.MetadataValue.md(table(splits)),
            **group_metadata(rows, stored_images),
        },
    )


def _with_placeholders(outcomes: pl.LazyFrame, store: Store) -> pl.LazyFrame:
    """Returns the outcomes with the status `placeholder` in place of `ok` where the image is one."""
    from catalog.dataset.build import PLACEHOLDER_STATUS

    is_placeholder = (pl.col("status") == "ok") & pl.col("sha256").is_in(placeholders_of(store).implode())
    return outcomes.with_columns(
        status=pl.when(is_placeholder).then(pl.lit(PLACEHOLDER_STATUS)).otherwise(pl.col("status"))
    )


def placeholders_of(store: Store) -> pl.Series:
    """Returns the SHA-256 of the images that are placeholders; none before the asset `placeholders` was made."""
    from catalog.dataset.placeholders import placeholder_images

    if not store.holds("placeholders"):
        return pl.Series("sha256", [], dtype=pl.String)
    return placeholder_images(store.scan("placeholders").collect())


def num_trainable_labels(rows: pl.DataFrame) -> int:
    """Returns the number of labeled products that a classifier may be trained on."""
    return rows.filter(pl.col("label_rank").is_not_null()).height
