"""The dataset: the usable products, each in one duplicate group and each group in one split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.duplicates import group_duplicates
from catalog.grouping import joined
from catalog.hash_pairs import Indices
from catalog.splits import GOLDEN, label_ranks, splits_of
from catalog.succession import REMOVED_AT, current_products
from catalog.taxonomy import Taxonomy

LEVEL_COLUMNS = ("level_1", "level_2", "level_3", "level_4")

PRODUCT_COLUMNS = ("product_id", "partner_id", "item_group_id", "category_id", "delivery", "row", REMOVED_AT)
OUTCOME_COLUMNS = ("product_id", "delivery", "status", "sha256", "dhash", "shard")


class EmptyDatasetError(ValueError):
    """A dataset without a row; the message says where the products went."""


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What became of the products on their way into the dataset, in counts."""

    num_products: int  # different product ids
    num_superseded_rows: int  # rows of a product that another one of it counts before
    num_not_tried: int  # products without a download outcome yet
    num_not_downloaded: int  # products whose row that counts has an outcome that is not ok
    num_usable: int  # products with a picture: the sum of the three below
    num_rows: int  # in the dataset
    num_golden_unlabelled: int  # left out: golden products that cannot judge
    num_golden_twins: int  # left out: products in a golden product's group
    num_labelled: int  # rows of the dataset with a category
    num_removed: int  # rows of the dataset that no feed has any more; they still teach
    num_groups: int  # among the usable products
    largest_group: int
    num_exact_twins: int  # usable products whose bytes an earlier one has
    num_near_twins: int  # further ones whose picture an earlier one has
    num_variants: int  # further ones that only share an item group with an earlier one


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The rows of the table `dataset`, earliest product first, and how they came about.

    `group_id` is the group that shares a split, `picture_group_id` the part of it that its pictures alone form.
    """

    rows: pl.DataFrame
    summary: DatasetSummary


def build_dataset(
    products: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    golden_partners: set[str],
    delivery_order: Sequence[str],
    taxonomy: Taxonomy,
    thumbnails: Callable[[pl.DataFrame], NDArray[np.uint8]],
) -> Dataset:
    """The dataset that deliveries (oldest first in `delivery_order`) and the ends of their downloads make.

    A product of several deliveries counts as `current_products` says, among those that have been downloaded: one that
    is not yet replaces nothing, or the dataset would shrink meanwhile. A removed product stays. Products that share
    a picture or a partner's item group are one group, named after its earliest member, so that a later
    delivery moves no product to another split unless it joins two groups. The golden partners' products are
    the split `golden`; others of their groups are left out: a golden picture's twin must not train, nor a
    partner's label judge.

    `thumbnails` takes rows (product_id, delivery, shard, sha256) and returns their grey thumbnails as
    `catalog.duplicates.thumbnail` makes them, (k, 32, 32). `outcomes` needs the column `delivery`.
    Raises `EmptyDatasetError` when nothing is left.
    """
    _require(products, PRODUCT_COLUMNS, "products")
    _require(outcomes, OUTCOME_COLUMNS, "outcomes")
    tried = _tried(products, outcomes, delivery_order)
    newest = current_products(tried, delivery_order)
    usable = _in_order_of_appearance(newest.filter(pl.col("status") == "ok"), tried)
    if usable.is_empty():
        raise EmptyDatasetError(
            f"no picture of {products['product_id'].n_unique():,} products was downloaded; "
            "materialise images, or read their outcomes by status"
        )

    pictures = group_duplicates(
        usable["sha256"],
        usable["dhash"].to_numpy().astype(np.uint64),
        lambda indices: thumbnails(usable[indices].select("product_id", "delivery", "shard", "sha256")),
    )
    first = _with_variants(pictures, usable)
    grouped = usable.with_columns(
        usable["product_id"].gather(first).alias("group_id"),
        usable["product_id"].gather(pictures).alias("picture_group_id"),
        pl.col("partner_id").is_in(sorted(golden_partners)).alias("is_golden"),
    ).with_columns(pl.col("is_golden").any().over("group_id").alias("in_golden_group"))
    is_unlabelled_golden = pl.col("is_golden") & pl.col("category_id").is_null()
    is_golden_twin = pl.col("in_golden_group") & ~pl.col("is_golden")
    kept = grouped.filter(~is_unlabelled_golden & ~is_golden_twin)
    if kept.is_empty():
        raise EmptyDatasetError(
            f"all {len(grouped):,} usable products are golden ones without a category or their twins; "
            "take in a delivery of another partner or label the golden one"
        )
    num_products = products["product_id"].n_unique()
    return Dataset(
        rows=_rows(kept, taxonomy),
        summary=DatasetSummary(
            num_products=num_products,
            num_superseded_rows=len(tried) - len(newest),
            num_not_tried=num_products - len(newest),
            num_not_downloaded=len(newest) - len(usable),
            num_usable=len(usable),
            num_rows=len(kept),
            num_golden_unlabelled=grouped.select(is_unlabelled_golden.sum()).item(),
            num_golden_twins=grouped.select(is_golden_twin.sum()).item(),
            num_labelled=len(kept) - kept["category_id"].null_count(),
            num_removed=len(kept) - kept[REMOVED_AT].null_count(),
            num_groups=grouped["group_id"].n_unique(),
            largest_group=int(np.bincount(first).max()),
            num_exact_twins=len(usable) - usable["sha256"].n_unique(),
            num_near_twins=usable["sha256"].n_unique() - len(np.unique(pictures)),
            num_variants=len(np.unique(pictures)) - len(np.unique(first)),
        ),
    )


def _require(frame: pl.DataFrame, columns: Sequence[str], name: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"the table {name} lacks {', '.join(missing)}; it has {', '.join(frame.columns)}")


def _tried(products: pl.DataFrame, outcomes: pl.DataFrame, delivery_order: Sequence[str]) -> pl.DataFrame:
    """The product rows whose download has ended, oldest delivery first."""
    unknown = set(products["delivery"].unique()) - set(delivery_order)
    if unknown:
        raise ValueError(f"deliveries {sorted(unknown)} are not in the delivery order {list(delivery_order)}")
    order = pl.DataFrame({"delivery": list(delivery_order)}, schema={"delivery": pl.String})
    return (
        products.select(PRODUCT_COLUMNS)
        .join(outcomes.select(OUTCOME_COLUMNS), on=["product_id", "delivery"], validate="1:1")
        .join(order.with_row_index("delivery_rank"), on="delivery")
        .sort("delivery_rank", "row")
    )


def _in_order_of_appearance(usable: pl.DataFrame, tried: pl.DataFrame) -> pl.DataFrame:
    """The usable products, those first whose picture came first, whatever delivery describes them now."""
    first_seen = (
        tried.filter(pl.col("status") == "ok")
        .unique("product_id", keep="first")
        .select("product_id", pl.col("delivery_rank").alias("first_delivery"), pl.col("row").alias("first_row"))
    )
    return usable.join(first_seen, on="product_id").sort("first_delivery", "first_row", "product_id")


def _with_variants(first: Indices, usable: pl.DataFrame) -> Indices:
    """The groups after the variants of an item came together: partners show them by the same picture."""
    variants = (
        usable.with_row_index("place")
        .filter(pl.col("item_group_id").is_not_null())
        .select(pl.col("place"), pl.col("place").first().over("partner_id", "item_group_id").alias("first_place"))
        .cast(pl.Int32)
    )
    return joined(first, variants["place"].to_numpy(), variants["first_place"].to_numpy())


def _rows(kept: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """The table `dataset`: with split, label rank and the category of every level."""
    split = pl.when("is_golden").then(pl.lit(GOLDEN)).otherwise(splits_of(kept["group_id"])).alias("split")
    rows = kept.with_columns(split)
    rows = rows.with_columns(label_ranks(rows).alias("label_rank"))
    return rows.join(
        _levels(rows["category_id"], taxonomy), on="category_id", how="left", maintain_order="left"
    ).select(
        "product_id",
        "partner_id",
        "delivery",
        "shard",
        "sha256",
        "group_id",
        "picture_group_id",
        "split",
        "category_id",
        *LEVEL_COLUMNS,
        "label_rank",
    )


def _levels(category_ids: pl.Series, taxonomy: Taxonomy) -> pl.DataFrame:
    """One row a category that occurs: its id and the ids of its four levels."""
    ids = category_ids.drop_nulls().unique().sort().to_list()
    levels = [taxonomy.levels(category_id) for category_id in ids]
    columns = {name: [level[n] for level in levels] for n, name in enumerate(LEVEL_COLUMNS)}
    return pl.DataFrame({"category_id": ids} | columns, schema=dict.fromkeys(["category_id", *LEVEL_COLUMNS], pl.Int64))
