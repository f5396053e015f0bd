"""Blocking checks of the dataset; nothing is trained on one that fails."""

import dagster as dg
import polars as pl

from catalog_assets.dataset.duplicate_groups import SHOWN_GROUPS, near_duplicate_groups
from catalog_assets.idioms.markdown import table
from resources.policies import GroupingPolicy
from resources.store import Store

DATASET = "dataset"
MIN_LABELS_PER_LEAF = 2  # one to train on, one to evaluate on


@dg.asset_check(asset=DATASET, blocking=True)
def no_group_in_two_splits(dataset: pl.LazyFrame) -> dg.AssetCheckResult:
    """No group of duplicates and variants is in more than one split."""
    spread = dataset.group_by("group_id").agg(splits=pl.col("split").n_unique()).filter(pl.col("splits") > 1).collect()
    return dg.AssetCheckResult(
        passed=spread.is_empty(),
        description=f"{len(spread)} groups are in more than one split",
        metadata={"examples": dg.MetadataValue.json(spread["group_id"].head(10).to_list())},
    )


@dg.asset_check(asset=DATASET, blocking=True)
def no_product_in_another_split(dataset: pl.LazyFrame, store: Store) -> dg.AssetCheckResult:
    """Every product is in the split that it has for good, in the table `splits`."""
    assigned = store.scan("splits").select("product_id", own_split="split")
    moved = dataset.join(assigned, on="product_id", how="left").filter(pl.col("split").ne_missing(pl.col("own_split")))
    examples = moved.select("product_id").collect()["product_id"]
    return dg.AssetCheckResult(
        passed=examples.is_empty(),
        description=f"{len(examples)} products are in another split than the table splits has for them",
        metadata={"examples": dg.MetadataValue.json(examples.head(10).to_list())},
    )


@dg.asset_check(asset=DATASET, blocking=True)
def no_golden_product_in_training(dataset: pl.LazyFrame, store: Store) -> dg.AssetCheckResult:
    """Golden partners' products, and images equal to theirs, are in no other split."""
    golden_partners = store.golden_partners()
    golden = pl.col("partner_id").is_in(golden_partners)
    golden_images = dataset.filter(golden).select("sha256").unique()
    not_golden = dataset.filter(pl.col("split") != "golden")
    leaked = pl.concat(
        [
            not_golden.filter(golden).select("product_id"),
            not_golden.join(golden_images, on="sha256").select("product_id"),
        ]
    ).collect()
    return dg.AssetCheckResult(
        passed=leaked.is_empty(),
        description=f"{len(leaked)} golden products or images are outside the golden split",
        metadata={"examples": dg.MetadataValue.json(leaked["product_id"].head(10).to_list())},
    )


@dg.asset_check(asset=DATASET, blocking=True)
def largest_group(dataset: pl.LazyFrame, grouping_policy: GroupingPolicy) -> dg.AssetCheckResult:
    """No near-duplicate group has more different images than allowed."""
    groups = near_duplicate_groups(dataset.select("image_group_id", "sha256").collect()).head(SHOWN_GROUPS)
    group, num_images = groups["group"][0], int(groups["images"][0])
    return dg.AssetCheckResult(
        passed=num_images <= grouping_policy.max_images,
        description=(
            f"the largest group, of product {group!r}, has {num_images} different images; at most "
            f"{grouping_policy.max_images} are allowed: see them in the dataset's metadata, "
            "then raise SHELFSIGHT_MAX_GROUP_IMAGES, or leave these products out of the feed"
        ),
        metadata={"largest groups": dg.MetadataValue.md(table(groups))},
    )


@dg.asset_check(asset=DATASET, blocking=True)
def label_coverage(dataset: pl.LazyFrame, store: Store) -> dg.AssetCheckResult:
    """Every evaluated leaf has labels in training, and every split has labels."""
    labeled = dataset.filter(pl.col("level_4").is_not_null())
    coverage = (
        labeled.group_by(leaf="level_4")
        .agg(train=(pl.col("split") == "train").sum(), held_out=(pl.col("split") != "train").sum())
        .sort("train")
        .collect()
    )
    taxonomy = store.taxonomy()
    named = coverage.with_columns(pl.col("leaf").map_elements(taxonomy.path, return_dtype=pl.String).alias("leaf"))
    uncovered = named.filter((pl.col("train") == 0) | (pl.col("train") + pl.col("held_out") < MIN_LABELS_PER_LEAF))
    return dg.AssetCheckResult(
        passed=uncovered.is_empty() and not coverage.is_empty() and coverage["held_out"].sum() > 0,
        description=f"{len(coverage)} leaves have labels; {len(uncovered)} of them have too few to train on",
        metadata={"labels by leaf": dg.MetadataValue.md(table(named))},
    )
