"""The blocking checks: each passes on a valid dataset and fails on the leak or gap that it detects."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog_assets.dataset.checks import (
    GroupingPolicy,
    label_coverage,
    largest_group,
    no_golden_product_in_training,
    no_group_in_two_splits,
    no_product_in_another_split,
)
from resources.store import Store

TAXONOMY = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n2 - Clothing > Hats\n3 - Clothing > Scarves\n"
PARTNERS = "[partners.hansen]\n[partners.golden]\ngolden = true\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    reference = tmp_path / "reference"
    reference.mkdir()
    (reference / "taxonomy.txt").write_text(TAXONOMY)
    (reference / "partners.toml").write_text(PARTNERS)
    return Store(root=str(tmp_path))


def rows(*products: tuple[str, str, str, str, int | None]) -> pl.LazyFrame:
    """A dataset of (partner, image, group, split, leaf)."""
    columns = ["partner_id", "sha256", "group_id", "split", "level_4"]
    frame = pl.DataFrame(list(products), schema=columns, orient="row").cast({"level_4": pl.Int64})
    return frame.with_row_index("product_id").cast({"product_id": pl.String}).lazy()


SOUND = [
    ("hansen", "a", "g1", "train", 2),
    ("hansen", "a", "g1", "train", None),
    ("hansen", "b", "g2", "train", 3),
    ("hansen", "c", "g3", "val", 2),
    ("golden", "d", "g4", "golden", 3),
]


def passes(check: Callable[..., object], *arguments: object) -> bool:
    result = check(*arguments)
    assert isinstance(result, dg.AssetCheckResult)
    return bool(result.passed)


def test_a_sound_dataset_passes_every_check(store: Store) -> None:
    dataset = rows(*SOUND)
    assert passes(no_group_in_two_splits, dataset)
    assert passes(no_golden_product_in_training, dataset, store)
    assert passes(label_coverage, dataset, store)


def test_a_group_on_both_sides_of_a_split_fails() -> None:
    assert not passes(no_group_in_two_splits, rows(*SOUND, ("hansen", "e", "g1", "val", 2)))


@pytest.mark.parametrize("own", ["val", "test", "golden", None])
def test_a_product_in_another_split_than_it_has_for_good_fails(store: Store, own: str | None) -> None:
    dataset = rows(*SOUND)
    assigned = dataset.select("product_id", "group_id", "split").collect()
    store.write(assigned, "splits")
    assert passes(no_product_in_another_split, dataset, store)
    moved = pl.when(product_id="0").then(pl.lit(own, pl.String)).otherwise("split").alias("split")
    store.write(assigned.with_columns(moved).drop_nulls("split"), "splits")
    assert not passes(no_product_in_another_split, dataset, store)


def test_a_golden_product_in_training_fails(store: Store) -> None:
    assert not passes(no_golden_product_in_training, rows(*SOUND, ("golden", "e", "g5", "train", 2)), store)


def test_a_golden_image_under_a_partner_s_name_fails(store: Store) -> None:
    assert not passes(no_golden_product_in_training, rows(*SOUND, ("hansen", "d", "g5", "train", 2)), store)


def grouped(*sizes: int) -> pl.LazyFrame:
    """A dataset of groups of so many different images each, the first image of each shown by two products."""
    images = [(f"g{n}", f"s{n}.{m}") for n, size in enumerate(sizes) for m in [0, *range(size)]]
    return pl.LazyFrame(images, schema=["image_group_id", "sha256"], orient="row")


def test_a_group_of_more_images_than_allowed_fails_and_is_named() -> None:
    policy = GroupingPolicy(max_images=3)
    assert passes(largest_group, grouped(1, 3, 2), policy)
    result = largest_group(grouped(1, 4, 2), policy)
    assert isinstance(result, dg.AssetCheckResult)
    assert not result.passed
    assert "of product 'g1', has 4 different images; at most 3" in str(result.description)


def test_many_products_of_equal_bytes_are_no_giant_group() -> None:
    placeholder = pl.LazyFrame({"image_group_id": ["g"] * 5_000, "sha256": ["s"] * 5_000})
    assert passes(largest_group, placeholder, GroupingPolicy())


def test_an_evaluated_leaf_without_training_labels_fails(store: Store) -> None:
    assert not passes(label_coverage, rows(*SOUND[:2], *SOUND[3:]), store)


def test_labels_in_training_alone_fail(store: Store) -> None:
    assert not passes(label_coverage, rows(*SOUND[:3]), store)
