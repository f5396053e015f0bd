"""Blocking checks of the dataset: what fails one reaches no training."""

import dagster as dg
import polars as pl

from catalog_assets.dataset import dataset
from catalog_assets.duplicate_groups import SHOWN_GROUPS, near_groups
from catalog_assets.markdown import table
from resources.store import Store

MIN_LABELS_PER_LEAF = 2  # one to train on, one to judge by


@dg.asset_check(asset=dataset, blocking=True)
def no_group_in_two_splits(dataset: pl.LazyFrame) -> dg.AssetCheckResult:
    """Duplicates and variants never stand on both sides of a split."""
    spread = dataset.group_by("group_id").agg(splits=pl.col("split").n_unique()).filter(pl.col("splits") > 1).collect()
    return dg.AssetCheckResult(
        passed=spread.is_empty(),
        description=f"{len(spread)} groups lie in more than one split",
        metadata={"examples": dg.MetadataValue.json(spread["group_id"].head(10).to_list())},
    )


@dg.asset_check(asset=dataset, blocking=True)
def no_golden_product_in_training(dataset: pl.LazyFrame, store: Store) -> dg.AssetCheckResult:
    """Golden partners' products, and pictures equal to theirs, are in no split that trains or validates."""
    golden_partners = store.golden_partners()
    golden = pl.col("partner_id").is_in(golden_partners)
    golden_pictures = dataset.filter(golden).select("sha256").unique()
    not_golden = dataset.filter(pl.col("split") != "golden")
    leaked = pl.concat(
        [
            not_golden.filter(golden).select("product_id"),
            not_golden.join(golden_pictures, on="sha256").select("product_id"),
        ]
    ).collect()
    return dg.AssetCheckResult(
        passed=leaked.is_empty(),
        description=f"{len(leaked)} golden products or pictures stand outside the golden split",
        metadata={"examples": dg.MetadataValue.json(leaked["product_id"].head(10).to_list())},
    )


class GroupingPolicy(dg.ConfigurableResource):  # type: ignore[type-arg]
    """How many different pictures may be taken for one.

    Copies of a picture that shops recompress or resize come by the dozen. A group of more is look-alikes that chained.
    """

    max_pictures: int = 100


@dg.asset_check(asset=dataset, blocking=True)
def largest_group(dataset: pl.LazyFrame, grouping_policy: GroupingPolicy) -> dg.AssetCheckResult:
    """No near-duplicate group has grown into a giant one."""
    groups = near_groups(dataset.select("picture_group_id", "sha256").collect()).head(SHOWN_GROUPS)
    group, num_pictures = groups["group"][0], int(groups["pictures"][0])
    return dg.AssetCheckResult(
        passed=num_pictures <= grouping_policy.max_pictures,
        description=(
            f"the largest group, of product {group!r}, has {num_pictures} different pictures; at most "
            f"{grouping_policy.max_pictures} may be taken for one: look at them in the dataset's metadata, "
            "then raise SHELFSIGHT_MAX_GROUP_PICTURES, or leave those products out of the feed"
        ),
        metadata={"largest groups": dg.MetadataValue.md(table(groups))},
    )


@dg.asset_check(asset=dataset, blocking=True)
def label_coverage(dataset: pl.LazyFrame, store: Store) -> dg.AssetCheckResult:
    """Every leaf that is judged was labelled in training, and every split has labels at all."""
    labelled = dataset.filter(pl.col("level_4").is_not_null())
    coverage = (
        labelled.group_by(leaf="level_4")
        .agg(train=(pl.col("split") == "train").sum(), judged=(pl.col("split") != "train").sum())
        .sort("train")
        .collect()
    )
    taxonomy = store.taxonomy()
    named = coverage.with_columns(pl.col("leaf").map_elements(taxonomy.path, return_dtype=pl.String).alias("leaf"))
    uncovered = named.filter((pl.col("train") == 0) | (pl.col("train") + pl.col("judged") < MIN_LABELS_PER_LEAF))
    return dg.AssetCheckResult(
        passed=uncovered.is_empty() and not coverage.is_empty() and coverage["judged"].sum() > 0,
        description=f"{len(coverage)} leaves carry labels; {len(uncovered)} of them have none to train on",
        metadata={"labels by leaf": dg.MetadataValue.md(table(named))},
    )
