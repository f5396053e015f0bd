"""The blocking checks: each passes on a sound dataset and fails on the leak or gap that it is there for."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog_assets.checks import (
    GroupingPolicy,
    label_coverage,
    largest_group,
    no_golden_product_in_training,
    no_group_in_two_splits,
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
    """A dataset of (partner, picture, group, split, leaf)."""
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


def verdict(check: Callable[..., object], *arguments: object) -> bool:
    result = check(*arguments)
    assert isinstance(result, dg.AssetCheckResult)
    return bool(result.passed)


def test_a_sound_dataset_passes_every_check(store: Store) -> None:
    dataset = rows(*SOUND)
    assert verdict(no_group_in_two_splits, dataset)
    assert verdict(no_golden_product_in_training, dataset, store)
    assert verdict(label_coverage, dataset, store)


def test_a_group_on_both_sides_of_a_split_fails() -> None:
    assert not verdict(no_group_in_two_splits, rows(*SOUND, ("hansen", "e", "g1", "val", 2)))


def test_a_golden_product_in_training_fails(store: Store) -> None:
    assert not verdict(no_golden_product_in_training, rows(*SOUND, ("golden", "e", "g5", "train", 2)), store)


def test_a_golden_picture_under_a_partner_s_name_fails(store: Store) -> None:
    assert not verdict(no_golden_product_in_training, rows(*SOUND, ("hansen", "d", "g5", "train", 2)), store)


def grouped(*sizes: int) -> pl.LazyFrame:
    """A dataset of groups of so many different pictures each, the first picture of each shown by two products."""
    pictures = [(f"g{n}", f"s{n}.{m}") for n, size in enumerate(sizes) for m in [0, *range(size)]]
    return pl.LazyFrame(pictures, schema=["picture_group_id", "sha256"], orient="row")


def test_a_group_of_more_pictures_than_allowed_fails_and_is_named() -> None:
    policy = GroupingPolicy(max_pictures=3)
    assert verdict(largest_group, grouped(1, 3, 2), policy)
    result = largest_group(grouped(1, 4, 2), policy)
    assert isinstance(result, dg.AssetCheckResult)
    assert not result.passed
    assert "of product 'g1', has 4 different pictures; at most 3" in str(result.description)


def test_many_products_that_show_the_same_bytes_are_no_giant_group() -> None:
    placeholder = pl.LazyFrame({"picture_group_id": ["g"] * 5_000, "sha256": ["s"] * 5_000})
    assert verdict(largest_group, placeholder, GroupingPolicy())


def test_a_leaf_that_is_judged_but_never_trained_on_fails(store: Store) -> None:
    assert not verdict(label_coverage, rows(*SOUND[:2], *SOUND[3:]), store)


def test_labels_in_training_alone_fail(store: Store) -> None:
    assert not verdict(label_coverage, rows(*SOUND[:3]), store)
