"""The asset `dataset`: usable products, grouped by duplicates, split without leaks and ranked for label fractions."""

from dataclasses import asdict

import dagster as dg
import polars as pl

from catalog_assets.dataset.duplicate_groups import group_metadata
from catalog_assets.idioms.conditions import when_all_inputs_exist
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.versions import content_version
from catalog_assets.ingestion.taxonomies import taxonomy
from resources.images import StoredImages
from resources.store import Store


@dg.asset(
    deps=[taxonomy, "images"],
    group_name="dataset",
    kinds={"parquet", "polars"},
    io_manager_key="tables",
    code_version="3",
    automation_condition=when_all_inputs_exist,
)
def dataset(
    context: dg.AssetExecutionContext,
    products: pl.LazyFrame,
    outcomes: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Usable products of all deliveries, with their duplicate group, split, label rank and labels at four levels."""
    from catalog.dataset.build import build_dataset

    rows_of_products = products.collect()
    built = build_dataset(
        rows_of_products,
        outcomes.collect(),
        partner_splits=store.partner_splits(),
        delivery_order=[record.key for record in store.deliveries(rows_of_products["delivery"].unique().to_list())],
        taxonomy=store.taxonomy(),
        thumbnails=stored_images.thumbnails,
    )
    rows = built.rows
    context.log.info(f"dataset: {len(rows):,} usable products in {rows['group_id'].n_unique():,} groups")
    splits = rows.group_by("split").agg(products=pl.len(), labeled=pl.col("category_id").count()).sort("split")
    return dg.MaterializeResult(
        value=rows,
        data_version=content_version(rows),
        metadata={
            **asdict(built.summary),
            "trainable_labels": num_trainable_labels(rows),
            "splits": dg.MetadataValue.md(table(splits)),
            **group_metadata(rows, stored_images),
        },
    )


def num_trainable_labels(rows: pl.DataFrame) -> int:
    """Returns the number of labeled products that a classifier may be trained on."""
    return rows.filter(pl.col("label_rank").is_not_null()).height
