"""Partners with a split of their own: golden products only evaluate, and near duplicates take the stricter split."""

import pytest

from catalog.dataset.build import EmptyDatasetError
from catalog.dataset.splits import split_of
from tests.catalog.dataset.building import build, product


def test_duplicates_of_golden_products_are_left_out_and_counted() -> None:
    dataset = build(
        [
            product("a:1", image="same"),
            product("gold:1", image="same"),
            product("gold:2"),
            product("a:2"),
            product("a:3", item_group_id="7", image="same"),
            product("a:4", item_group_id="7"),
        ],
        golden=["gold"],
    )
    splits = dict(dataset.rows.select("product_id", "split").iter_rows())
    assert splits == {"gold:1": "golden", "gold:2": "golden", "a:2": split_of("a:2")}
    assert dataset.summary.num_golden_duplicates == 3


def test_an_unlabeled_golden_product_and_its_duplicate_are_left_out() -> None:
    rows = [
        product("gold:1", category_id=None, image="same"),
        product("a:1", image="same"),
        product("a:2"),
    ]
    dataset = build(rows, golden=["gold"])
    assert dataset.rows["product_id"].to_list() == ["a:2"]
    assert (dataset.summary.num_golden_unlabeled, dataset.summary.num_golden_duplicates) == (1, 1)


def test_only_unlabeled_golden_products_is_an_error() -> None:
    with pytest.raises(EmptyDatasetError, match="all 1 usable products are golden ones without a category"):
        build([product("gold:1", category_id=None)], golden=["gold"])


def test_products_of_a_partner_with_a_split_are_in_it_with_their_whole_group() -> None:
    rows = [
        *(product(f"tests:{n}", image=f"i{n}") for n in range(5)),
        *(product(f"trains:{n}", image=f"i{n + 4}") for n in range(5)),
        product("a:1", image="i0"),
        product("a:2", image="of a"),
    ]
    dataset = build(rows, splits={"tests": "test", "trains": "train"})
    splits = dict(dataset.rows.select("product_id", "split").iter_rows())
    assert splits == {
        **{f"tests:{n}": "test" for n in range(5)},
        **{f"trains:{n}": "train" for n in range(1, 5)},  # the first is a duplicate of a test image
        "a:1": "test",
        "a:2": split_of("a:2"),
    }
    assert dataset.summary.num_split_duplicates == 1


def test_partner_that_is_split_by_hash_without_test_products_has_both_others() -> None:
    rows = [product(f"trains:{n}") for n in range(300)]
    counts = build(rows, splits={"trains": "train+val"}).rows["split"].value_counts()
    shares = {split: number / 300 for split, number in counts.iter_rows()}
    assert set(shares) == {"train", "val"}
    assert shares["val"] == pytest.approx(0.15 / 0.85, abs=0.08)
