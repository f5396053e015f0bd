"""Dataset: the usable products, each in one duplicate group and each group in one split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.dataset.columns import LEVEL_COLUMNS
from catalog.dataset.duplicates import group_duplicates
from catalog.dataset.grouping import joined
from catalog.dataset.hash_pairs import Indices
from catalog.dataset.splits import GOLDEN, fixed_splits_of, label_ranks, own_splits_of, splits_of
from catalog.products.redelivery import REMOVED_AT, current_products
from catalog.taxonomy.tree import Taxonomy

PRODUCT_COLUMNS = ("product_id", "partner_id", "item_group_id", "category_id", "delivery", "row", REMOVED_AT)
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
    num_usable: int  # products with an image: the sum of the next four
    num_rows: int  # rows of the dataset
    num_golden_unlabeled: int  # left out: golden products without a label
    num_golden_duplicates: int  # left out: other partners' products in a golden product's group
    num_split_duplicates: int  # left out: products of a partner with one split, in a group of another one's
    num_labeled: int  # rows of the dataset with a category
    num_removed: int  # rows of the dataset that no feed has any more; they still train
    num_groups: int  # among the usable products
    largest_group: int
    num_exact_duplicates: int  # usable products with the same bytes as an earlier one
    num_near_duplicates: int  # further ones with nearly the same image as an earlier one
    num_variants: int  # further ones that only share an item group with an earlier one


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Rows of the table `dataset`, earliest product first, with their summary.

    `group_id` is the group that shares a split, `image_group_id` the part of it that images alone form.
    """

    rows: pl.DataFrame
    summary: DatasetSummary


def build_dataset(
    products: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    partner_splits: Mapping[str, str],
    delivery_order: Sequence[str],
    taxonomy: Taxonomy,
    thumbnails: Callable[[pl.DataFrame], NDArray[np.uint8]],
) -> Dataset:
    """Builds the dataset from the products and download outcomes of all deliveries.

    A product of several deliveries has the row that `current_products` selects among the downloaded ones: a delivery
    that is not downloaded yet replaces nothing, or the dataset would shrink meanwhile. A removed product stays.
    Products that share an image or a partner's item group are one group, named after its earliest member, so that a
    later delivery moves no product to another split unless it joins two groups. The golden partners' products are
    the split `golden`; other products of their groups are left out, because a duplicate of a golden image must not
    train, nor a partner's label evaluate. Products of partners with a split of their own are in that one, and so is
    their whole group; a product whose partner has another split is left out of it.

    Args:
        products: rows of the table `products`, with `PRODUCT_COLUMNS`.
        outcomes: rows of the table `outcomes`, with `OUTCOME_COLUMNS`.
        partner_splits: the split of partners that have one: `golden` where their labels are verified, or one of
            `catalog.products.partners.PARTNER_SPLITS`.
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
    golden_partners = sorted(each for each, split in partner_splits.items() if split == GOLDEN)
    attempted = _attempted(products, outcomes, delivery_order)
    newest = current_products(attempted, delivery_order)
    usable = _in_order_of_appearance(newest.filter(pl.col("status") == "ok"), attempted)
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
    first = _with_variants(images, usable)
    grouped = usable.with_columns(
        usable["product_id"].gather(first).alias("group_id"),
        usable["product_id"].gather(images).alias("image_group_id"),
        pl.col("partner_id").is_in(golden_partners).alias("is_golden"),
    ).with_columns(pl.col("is_golden").any().over("group_id").alias("in_golden_group"))
    is_unlabeled_golden = pl.col("is_golden") & pl.col("category_id").is_null()
    is_golden_duplicate = pl.col("in_golden_group") & ~pl.col("is_golden")
    grouped = grouped.with_columns(
        fixed_splits_of(grouped, partner_splits).alias("fixed_split"),
        own_splits_of(grouped, partner_splits).alias("own_split"),
    )
    is_golden = is_unlabeled_golden | is_golden_duplicate
    is_split_duplicate = ~is_golden & (pl.col("own_split") != pl.col("fixed_split")).fill_null(value=False)
    kept = grouped.filter(~is_golden & ~is_split_duplicate)
    if kept.is_empty():
        raise EmptyDatasetError(
            f"all {len(grouped):,} usable products are golden ones without a category or their duplicates; "
            "ingest a delivery of another partner, or label the golden one"
        )
    num_products = products["product_id"].n_unique()
    return Dataset(
        rows=_rows(kept, taxonomy),
        summary=DatasetSummary(
            num_products=num_products,
            num_superseded_rows=len(attempted) - len(newest),
            num_not_attempted=num_products - len(newest),
            num_not_downloaded=len(newest) - len(usable),
            num_usable=len(usable),
            num_rows=len(kept),
            num_golden_unlabeled=grouped.select(is_unlabeled_golden.sum()).item(),
            num_golden_duplicates=grouped.select(is_golden_duplicate.sum()).item(),
            num_split_duplicates=grouped.select(is_split_duplicate.sum()).item(),
            num_labeled=len(kept) - kept["category_id"].null_count(),
            num_removed=len(kept) - kept[REMOVED_AT].null_count(),
            num_groups=grouped["group_id"].n_unique(),
            largest_group=int(np.bincount(first).max()),
            num_exact_duplicates=len(usable) - usable["sha256"].n_unique(),
            num_near_duplicates=usable["sha256"].n_unique() - len(np.unique(images)),
            num_variants=len(np.unique(images)) - len(np.unique(first)),
        ),
    )


def _require(frame: pl.DataFrame, columns: Sequence[str], name: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"the table {name} lacks {', '.join(missing)}; it has {', '.join(frame.columns)}")


def _attempted(products: pl.DataFrame, outcomes: pl.DataFrame, delivery_order: Sequence[str]) -> pl.DataFrame:
    """Returns the product rows whose download has ended, oldest delivery first."""
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


def _in_order_of_appearance(usable: pl.DataFrame, attempted: pl.DataFrame) -> pl.DataFrame:
    """Sorts the usable products by their first image, whichever delivery describes them now."""
    first_seen = (
        attempted.filter(pl.col("status") == "ok")
        .unique("product_id", keep="first")
        .select("product_id", pl.col("delivery_rank").alias("first_delivery"), pl.col("row").alias("first_row"))
    )
    return usable.join(first_seen, on="product_id").sort("first_delivery", "first_row", "product_id")


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
    """Returns the table `dataset`, with split, label rank and the category of every level."""
    by_hash = splits_of(kept["group_id"])
    split = pl.when("is_golden").then(pl.lit(GOLDEN)).otherwise(pl.coalesce("fixed_split", by_hash))
    rows = kept.with_columns(split.alias("split"))
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
