"""Dataset: the usable products, each in one duplicate group and each group in one split.

`catalog.dataset.assignments` has the rule by which groups and splits last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.dataset.assignments import (
    GOLDEN_DUPLICATE,
    GOLDEN_UNLABELED,
    SPLIT_DUPLICATE,
    Splitting,
    assign_splits,
    update_splits,
)
from catalog.dataset.columns import LEVEL_COLUMNS
from catalog.dataset.duplicates import group_duplicates
from catalog.dataset.group_names import smallest_ids
from catalog.dataset.grouping import joined
from catalog.dataset.hash_pairs import Indices
from catalog.dataset.splits import label_ranks
from catalog.products.redelivery import REMOVED_AT, current_products
from catalog.taxonomy.tree import Taxonomy

PRODUCT_COLUMNS = ("product_id", "partner_id", "item_group_id", "category_id", "delivery", "row", REMOVED_AT)
PLACEHOLDER_STATUS = "placeholder"  # in place of `ok`; see `catalog.dataset.placeholders`
OUTCOME_COLUMNS = ("product_id", "delivery", "status", "sha256", "dhash", "shard")


class EmptyDatasetError(ValueError):
    """A dataset without a row; the message names the reason."""


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """Counts of the products on their way into the dataset."""

    num_products: int  # distinct product ids
    num_superseded_rows: int  # rows of a product replaced by another of its rows
    num_not_attempted: int  # products without a download outcome yet
    num_not_downloaded: int  # products whose current row has an outcome that is not ok
    num_placeholders: int  # products whose image is a placeholder
    num_usable: int  # the others with an image: the sum of the next four
    num_rows: int  # rows of the dataset
    num_golden_unlabeled: int  # left out: golden products without a label
    num_golden_duplicates: int  # left out: other partners' products in a golden product's group
    num_split_duplicates: int  # left out: duplicates of products of a stricter split, or of another than the partner's
    num_labeled: int  # rows of the dataset with a category
    num_removed: int  # rows of the dataset that no feed has any more; they still train
    num_groups: int  # among the usable products
    largest_group: int
    num_exact_duplicates: int  # usable products with the same bytes as an earlier one
    num_near_duplicates: int  # further ones with nearly the same image as an earlier one
    num_variants: int  # further ones that only share an item group with an earlier one


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Rows of the table `dataset`, shard by shard, the table `splits` as it is now, and a summary.

    `group_id` is the group that shares a split, `image_group_id` the part of it that images alone form.
    """

    rows: pl.DataFrame
    splits: pl.DataFrame
    summary: DatasetSummary


def build_dataset(
    products: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    splitting: Splitting,
    delivery_order: Sequence[str],
    taxonomy: Taxonomy,
    thumbnails: Callable[[pl.DataFrame], NDArray[np.uint8]],
) -> Dataset:
    """Builds the dataset from the products and download outcomes of all deliveries.

    A product of several deliveries has the row that `current_products` selects among the downloaded ones: a delivery
    that is not downloaded yet replaces nothing, or the dataset would shrink meanwhile. A removed product stays.
    Products that share an image or a partner's item group are one group in one split; both last as
    `catalog.dataset.assignments` describes. The golden partners' products are the split `golden`; other products of
    their groups are left out, because a duplicate of a golden image must not train, nor a partner's label evaluate.

    The result does not depend on the order of the rows, and on that of the deliveries only where a product is in more
    than one.

    Args:
        products: rows of the table `products`, with `PRODUCT_COLUMNS`.
        outcomes: rows of the table `outcomes`, with `OUTCOME_COLUMNS`; those whose status is `PLACEHOLDER_STATUS`
            have an image that shows no product, and are left out.
        splitting: the table `splits` of the build before, and the splits of partners that have one.
        delivery_order: deliveries, oldest first.
        taxonomy: the taxonomy of the labels.
        thumbnails: takes rows (product_id, delivery, shard, sha256) and returns their gray thumbnails, (k, 32, 32), as
            `catalog.dataset.thumbnails.thumbnail` computes them.

    Raises:
        EmptyDatasetError: no row is left.
        ValueError: a column is missing, or a delivery is not in `delivery_order`.
    """
    _require(products, PRODUCT_COLUMNS, "products")
    _require(outcomes, OUTCOME_COLUMNS, "outcomes")
    attempted = _attempted(products, outcomes, delivery_order)
    newest = current_products(attempted, delivery_order)
    # Shard by shard, as images are read, and in an order that no redelivery changes.
    usable = newest.filter(pl.col("status") == "ok").sort("delivery", "shard", "product_id")
    num_placeholders = newest.filter(pl.col("status") == PLACEHOLDER_STATUS).height
    if usable.is_empty() and num_placeholders:
        raise EmptyDatasetError(
            f"all {num_placeholders:,} downloaded images are placeholders; see the table placeholders, and list those "
            "that are none in placeholders.csv"
        )
    if usable.is_empty():
        raise EmptyDatasetError(
            f"no image of {products['product_id'].n_unique():,} products was downloaded; "
            "materialize images, or see their outcomes by status"
        )

    images = group_duplicates(
        usable["sha256"],
        usable["dhash"].to_numpy().astype(np.uint64),
        lambda indices: thumbnails(usable[indices].select("product_id", "delivery", "shard", "sha256")),
    )
    component = _with_variants(images, usable)
    assigned = assign_splits(usable, component, splitting)
    kept = usable.with_columns(
        assigned["group_id"], assigned["split"], smallest_ids(usable["product_id"], images).alias("image_group_id")
    ).filter(assigned["left_out"].is_null())
    if kept.is_empty():
        raise EmptyDatasetError(
            f"all {len(usable):,} usable products are golden ones without a category or their duplicates; "
            "ingest a delivery of another partner, or label the golden one"
        )
    left_out = dict(assigned["left_out"].value_counts().iter_rows())
    num_products = products["product_id"].n_unique()
    return Dataset(
        rows=_rows(kept, taxonomy),
        splits=update_splits(splitting.former, assigned),
        summary=DatasetSummary(
            num_products=num_products,
            num_superseded_rows=len(attempted) - len(newest),
            num_not_attempted=num_products - len(newest),
            num_not_downloaded=len(newest) - len(usable) - num_placeholders,
            num_placeholders=num_placeholders,
            num_usable=len(usable),
            num_rows=len(kept),
            num_golden_unlabeled=left_out.get(GOLDEN_UNLABELED, 0),
            num_golden_duplicates=left_out.get(GOLDEN_DUPLICATE, 0),
            num_split_duplicates=left_out.get(SPLIT_DUPLICATE, 0),
            num_labeled=len(kept) - kept["category_id"].null_count(),
            num_removed=len(kept) - kept[REMOVED_AT].null_count(),
            num_groups=len(np.unique(component)),
            largest_group=int(np.bincount(component).max()),
            num_exact_duplicates=len(usable) - usable["sha256"].n_unique(),
            num_near_duplicates=usable["sha256"].n_unique() - len(np.unique(images)),
            num_variants=len(np.unique(images)) - len(np.unique(component)),
        ),
    )


def _require(frame: pl.DataFrame, columns: Sequence[str], name: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"the table {name} lacks {', '.join(missing)}; it has {', '.join(frame.columns)}")


def _attempted(products: pl.DataFrame, outcomes: pl.DataFrame, delivery_order: Sequence[str]) -> pl.DataFrame:
    """Returns the product rows whose download has ended."""
    unknown = set(products["delivery"].unique()) - set(delivery_order)
    if unknown:
        raise ValueError(f"deliveries {sorted(unknown)} are not in the delivery order {list(delivery_order)}")
    return products.select(PRODUCT_COLUMNS).join(
        outcomes.select(OUTCOME_COLUMNS), on=["product_id", "delivery"], validate="1:1"
    )


def _with_variants(first: Indices, usable: pl.DataFrame) -> Indices:
    """Joins the groups of an item's variants, which partners often show with the same image."""
    variants = (
        usable.with_row_index("position")
        .filter(pl.col("item_group_id").is_not_null())
        .select("position", pl.col("position").first().over("partner_id", "item_group_id").alias("first_position"))
        .cast(pl.Int32)
    )
    return joined(first, variants["position"].to_numpy(), variants["first_position"].to_numpy())


def _rows(kept: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Returns the table `dataset`, with the label rank and the category of every level."""
    rows = kept.with_columns(label_ranks(kept).alias("label_rank"))
    return rows.join(
        _levels(rows["category_id"], taxonomy), on="category_id", how="left", maintain_order="left"
    ).select(
        "product_id",
        "partner_id",
        "delivery",
        "shard",
        "sha256",
        "group_id",
        "image_group_id",
        "split",
        "category_id",
        *LEVEL_COLUMNS,
        "label_rank",
    )


def _levels(category_ids: pl.Series, taxonomy: Taxonomy) -> pl.DataFrame:
    """Returns one row per category that occurs: its id and the ids of its four levels."""
    ids = category_ids.drop_nulls().unique().sort().to_list()
    levels = [taxonomy.levels(category_id) for category_id in ids]
    columns = {name: [level[n] for level in levels] for n, name in enumerate(LEVEL_COLUMNS)}
    return pl.DataFrame({"category_id": ids} | columns, schema=dict.fromkeys(["category_id", *LEVEL_COLUMNS], pl.Int64))
