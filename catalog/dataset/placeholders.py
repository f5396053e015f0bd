"""Placeholders: "no image yet" images, found by what they show, by who shows them, and by people's decisions.

*Content*: the probability that an image is drawn (`catalog.images.graphics`). *Repetition*: products that have nothing
in common show one image or copies of it. A photograph that variants of a product share is no repetition: they are of
one item group, or their titles share a word. Neither alone is trusted much: content decides alone only where it is
nearly certain, repetition only across several parts of the taxonomy, and both together much earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.dataset.duplicates import group_duplicates
from catalog.dataset.hash_pairs import Indices
from catalog.dataset.placeholder_list import PlaceholderList

PLACEHOLDER, SUSPECTED, NOT = "placeholder", "suspected", "not"
SURE = 0.98  # content that decides alone
LIKELY = 0.1  # content that decides together with repetition
DOUBTFUL = 0.5  # content that a person should see
MIN_ITEMS = 3  # unrelated items that show one image, together with its content
MIN_ITEMS_ALONE, MIN_BRANCHES = 8, 3  # by themselves: so many items, in so many branches of the taxonomy's second level
MIN_ITEMS_UNLABELED = 20  # and without labels
MAX_SHARED_WORD = 0.5  # the share of unrelated items whose titles have the commonest word
MIN_WORD_CHARACTERS = 3

PLACEHOLDERS_SCHEMA = pl.Schema(
    {
        "sha256": pl.String(),
        "dhash": pl.String(),
        "image_group": pl.String(),
        "verdict": pl.String(),
        "evidence": pl.String(),
        "content": pl.Float64(),
        "num_products": pl.Int64(),
        "num_items": pl.Int64(),
        "num_leaves": pl.Int64(),
        "num_branches": pl.Int64(),
        "num_partners": pl.Int64(),
        "shared_word": pl.Float64(),
        "product_id": pl.String(),
        "delivery": pl.String(),
        "shard": pl.String(),
    }
)
IMAGE_COLUMNS = ("product_id", "partner_id", "item_group_id", "title", "category_id", "delivery", "shard")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The limits of content and repetition."""

    sure: float = SURE
    likely: float = LIKELY
    min_items: int = MIN_ITEMS


def find_placeholders(
    products: pl.DataFrame | pl.LazyFrame,
    content: pl.DataFrame | pl.LazyFrame,
    listed: PlaceholderList,
    *,
    branches: Mapping[int, int],
    thumbnails: Callable[[pl.DataFrame], NDArray[np.uint8]],
    thresholds: Thresholds = Thresholds(),
) -> pl.DataFrame:
    """Returns a row of `PLACEHOLDERS_SCHEMA` for each image that is a placeholder, may be one, or is listed.

    Copies of an image share their evidence: they are grouped as duplicates of the dataset are. The result does not
    depend on the order of the rows.

    Args:
        products: products with an image: `IMAGE_COLUMNS`, sha256 and dhash. Titles are read for candidates only.
        content: sha256 and content, the probability that the image is drawn; images without a row have 0.
        listed: decisions of people, which count before everything else.
        branches: each category's ancestor at the second level.
        thumbnails: takes rows (product_id, delivery, shard, sha256) and returns gray thumbnails, (k, 32, 32).
        thresholds: the limits.
    """
    images = _candidates(products, content, listed, thresholds)
    if images.is_empty():
        return PLACEHOLDERS_SCHEMA.to_frame()
    first = group_duplicates(
        images["sha256"],
        images["dhash"].to_numpy().astype(np.uint64),
        lambda indices: thumbnails(images[_rows(indices)].select("product_id", "delivery", "shard", "sha256")),
    )
    images = images.with_columns(image_group=images["sha256"].gather(first))
    shown = products.lazy().join(images.lazy().select("sha256", "image_group"), on="sha256").collect()
    repetition = _repetition(shown, branches)
    scored = images.join(repetition, on="image_group").with_columns(
        content=pl.col("content").max().over("image_group"), dhash=_hexadecimal(images["dhash"])
    )
    return (
        scored.with_columns(evidence=_evidence(thresholds))
        .with_columns(verdict=_verdict())
        .filter(pl.col("verdict").is_not_null())
        .select(list(PLACEHOLDERS_SCHEMA))
        .cast(PLACEHOLDERS_SCHEMA)
        .sort("num_products", "image_group", "sha256", descending=[True, False, False])
    )


def placeholder_images(found: pl.DataFrame) -> pl.Series:
    """Returns the SHA-256 of the images that are placeholders."""
    return found.filter(verdict=PLACEHOLDER)["sha256"]


def _candidates(
    products: pl.DataFrame | pl.LazyFrame,
    content: pl.DataFrame | pl.LazyFrame,
    listed: PlaceholderList,
    thresholds: Thresholds,
) -> pl.DataFrame:
    """Returns distinct images that are drawn, repeated or listed, with an example each: a small part of a catalog."""
    images = (
        products.lazy()
        .select("sha256", "dhash", "product_id", "delivery", "shard")
        .sort("product_id", "delivery")
        .group_by("sha256", maintain_order=True)
        .agg(pl.len().alias("num"), pl.all().first())
        .join(content.lazy().select("sha256", "content").unique("sha256"), on="sha256", how="left")
        .with_columns(pl.col("content").fill_null(0.0))
        .collect()
    )
    decisions = listed.verdicts(images["sha256"], images["dhash"].to_numpy().astype(np.uint64))
    images = images.with_columns(listed=decisions)
    is_candidate = (
        (pl.col("content") >= thresholds.likely)
        | (pl.col("num") >= thresholds.min_items)
        | pl.col("listed").is_not_null()
    )
    return images.filter(is_candidate).drop("num").sort("sha256")


def _repetition(shown: pl.DataFrame, branches: Mapping[int, int]) -> pl.DataFrame:
    """Returns the repetition of each image group: counts of what shows it, and the share of titles with one word."""
    items = shown.with_columns(
        item=pl.concat_str("partner_id", pl.lit("\n"), pl.coalesce("item_group_id", "product_id")),
        branch=pl.col("category_id").replace_strict(dict(branches), default=None, return_dtype=pl.Int64),
    )
    counts = items.group_by("image_group").agg(
        num_products=pl.col("product_id").n_unique(),
        num_items=pl.col("item").n_unique(),
        num_leaves=pl.col("category_id").drop_nulls().n_unique(),
        num_branches=pl.col("branch").drop_nulls().n_unique(),
        num_partners=pl.col("partner_id").n_unique(),
    )
    title = pl.col("title").fill_null("").str.to_lowercase()
    words = (
        items.select("image_group", "item", word=title.str.extract_all(r"\p{L}[\p{L}\p{M}]+"))
        .explode("word")
        .filter(pl.col("word").str.len_chars() >= MIN_WORD_CHARACTERS)
        .group_by("image_group", "word")
        .agg(num=pl.col("item").n_unique())
        .group_by("image_group")
        .agg(commonest=pl.col("num").max())
    )
    return counts.join(words, on="image_group", how="left").with_columns(
        shared_word=pl.col("commonest").fill_null(0) / pl.col("num_items")
    )


def _evidence(thresholds: Thresholds) -> pl.Expr:
    """The evidence that decides, or that a person should look at; null for neither."""
    is_unrelated = pl.col("shared_word") <= MAX_SHARED_WORD
    is_repeated = is_unrelated & (pl.col("num_items") >= thresholds.min_items) & (pl.col("num_leaves") != 1)
    across = (pl.col("num_items") >= MIN_ITEMS_ALONE) & (pl.col("num_branches") >= MIN_BRANCHES)
    unlabeled = (pl.col("num_items") >= MIN_ITEMS_UNLABELED) & (pl.col("num_leaves") == 0)
    return (
        pl.when(pl.col("listed").is_not_null())
        .then(pl.lit("listed"))
        .when(is_repeated & (pl.col("content") >= thresholds.likely))
        .then(pl.lit("content and repetition"))
        .when(pl.col("content") >= thresholds.sure)
        .then(pl.lit("content"))
        .when(is_unrelated & (across | unlabeled))
        .then(pl.lit("repetition"))
        .when(pl.col("content") >= DOUBTFUL)
        .then(pl.lit("drawn, perhaps"))
        .when(is_repeated)
        .then(pl.lit("repeated, perhaps"))
    )


def _verdict() -> pl.Expr:
    return (
        pl.when(pl.col("listed"))
        .then(pl.lit(PLACEHOLDER))
        .when(~pl.col("listed"))
        .then(pl.lit(NOT))
        .when(pl.col("evidence").is_in(["content and repetition", "content", "repetition"]))
        .then(pl.lit(PLACEHOLDER))
        .when(pl.col("evidence").is_not_null())
        .then(pl.lit(SUSPECTED))
    )


def _rows(indices: Indices) -> list[int]:
    return [int(index) for index in indices]


def _hexadecimal(dhash: pl.Series) -> pl.Series:
    return pl.Series([f"{value:016x}" for value in dhash.to_list()], dtype=pl.String)
