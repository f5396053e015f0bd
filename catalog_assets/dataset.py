"""The dataset: every usable product, grouped by duplicates, split without leaks, ranked for label fractions."""

from dataclasses import asdict

import dagster as dg
import polars as pl

from catalog_assets.conditions import when_upstream_changes
from catalog_assets.duplicate_groups import shown_groups
from catalog_assets.markdown import table
from catalog_assets.taxonomies import taxonomy
from catalog_assets.versions import content_version
from resources.pictures import Pictures
from resources.store import Store


@dg.asset(
    deps=[taxonomy, "images"],
    group_name="catalogue",
    kinds={"parquet", "polars"},
    io_manager_key="tables",
    code_version="3",
    automation_condition=when_upstream_changes,
)
def dataset(
    context: dg.AssetExecutionContext,
    products: pl.LazyFrame,
    outcomes: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Usable products of all deliveries, with their duplicate group, split, label rank and labels at four levels."""
    from catalog.dataset import build_dataset

    taken = products.collect()
    built = build_dataset(
        taken,
        outcomes.collect(),
        golden_partners=store.golden_partners(),
        delivery_order=[record.key for record in store.deliveries(taken["delivery"].unique().to_list())],
        taxonomy=store.taxonomy(),
        thumbnails=pictures.thumbnails,
    )
    rows = built.rows
    context.log.info(f"dataset: {len(rows):,} usable products in {rows['group_id'].n_unique():,} groups")
    splits = rows.group_by("split").agg(products=pl.len(), labelled=pl.col("category_id").count()).sort("split")
    return dg.MaterializeResult(
        value=rows,
        data_version=content_version(rows),
        metadata={
            **asdict(built.summary),
            "trainable_labels": num_trainable_labels(rows),
            "splits": dg.MetadataValue.md(table(splits)),
            **shown_groups(rows, pictures),
        },
    )


def num_trainable_labels(rows: pl.DataFrame) -> int:
    """Labelled products that a classifier may be trained on."""
    return rows.filter(pl.col("label_rank").is_not_null()).height
