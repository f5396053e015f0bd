"""Assignments: the rule by which groups and splits last, case by case."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest

from catalog.dataset.assignments import SPLITS_SCHEMA, Splitting, assign_splits, no_splits, update_splits
from catalog.dataset.splits import in_selection_half, split_of

PARTNERS = {"gold": "golden", "tests": "test", "vals": "val", "trains": "train", "rest": "train+val"}


def ids_in(split: str, partner: str = "a", num: int = 2) -> list[str]:
    """The first ids of a partner whose hash is in a split."""
    return [name for name in (f"{partner}:{n}" for n in range(200)) if split_of(name) == split][:num]


TRAIN, TRAIN_2 = ids_in("train")
TEST, TEST_2 = ids_in("test")
VALS = pl.Series(ids_in("val", num=20))
SELECTS, EVALUATES = (VALS.filter(mask)[0] for mask in (in_selection_half(VALS), ~in_selection_half(VALS)))


def former(*rows: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SPLITS_SCHEMA, orient="row")


def assigned(
    components: Sequence[Sequence[str]],
    table: pl.DataFrame | None = None,
    partners: Mapping[str, str] = MappingProxyType(PARTNERS),
    unlabeled: Sequence[str] = (),
) -> tuple[dict[str, tuple[str, str]], pl.DataFrame]:
    """The group and split of each row of the dataset, and the table `splits` after it."""
    ids = [each for component in components for each in component]
    numbers = [ids.index(component[0]) for component in components for _ in component]
    products = pl.DataFrame(
        {
            "product_id": ids,
            "partner_id": [each.partition(":")[0] for each in ids],
            "category_id": [None if each in unlabeled else 3 for each in ids],
        },
        schema_overrides={"category_id": pl.Int64},
    )
    table = no_splits() if table is None else table
    result = assign_splits(products, np.array(numbers), Splitting(former=table, partner_splits=partners))
    kept = result.filter(pl.col("left_out").is_null()).select("product_id", "group_id", "split")
    return {name: (group, split) for name, group, split in kept.iter_rows()}, update_splits(table, result)


def rows_of(table: pl.DataFrame) -> dict[str, tuple[str, str]]:
    return {name: (group, split) for name, group, split in table.iter_rows()}


@pytest.mark.parametrize("name", [TRAIN, TEST, SELECTS, EVALUATES])
def test_a_new_group_is_named_after_its_smallest_id_and_split_by_its_hash(name: str) -> None:
    members = [name, f"{name}x", "b:1"]
    kept, table = assigned([members[::-1]])
    assert kept == rows_of(table) == dict.fromkeys(members, (name, split_of(name)))


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("new", ["0:0", "z:9"])
def test_a_new_member_joins_the_group_and_its_split(split: str, new: str) -> None:
    kept, table = assigned([[new, "a:1"]], former(("a:1", "a:1", split)))
    assert kept == rows_of(table) == {"a:1": ("a:1", split), new: ("a:1", split)}


@pytest.mark.parametrize(
    ("first", "second", "kept_one"),
    [
        (("x:1", "x:1", "train"), ("y:1", "y:1", "val"), "y:1"),
        (("x:1", "x:1", "train"), ("y:1", "y:1", "test"), "y:1"),
        (("x:1", "x:1", "val"), ("y:1", "y:1", "test"), "y:1"),
        (("x:1", "x:1", "test"), ("y:1", "y:1", "train"), "x:1"),
        (("x:1", "x:1", "test"), ("gold:1", "gold:1", "golden"), "gold:1"),
        (("x:1", "x:1", "train"), ("gold:1", "gold:1", "golden"), "gold:1"),
        (("x:1", SELECTS, "val"), ("y:1", EVALUATES, "val"), "y:1"),
    ],
)
def test_where_groups_merge_the_strictest_stays_and_no_product_moves(
    first: tuple[str, str, str], second: tuple[str, str, str], kept_one: str
) -> None:
    table = former(first, second)
    for order in (["x:1", second[0]], [second[0], "x:1"]):
        kept, after = assigned([order], table)
        assert set(kept) == {kept_one}
        assert after.equals(table)
    apart, after = assigned([[first[0]], [second[0]]], table)
    assert apart == rows_of(after) == rows_of(table)


@pytest.mark.parametrize("split", ["train", "test"])
def test_groups_of_one_split_are_one_group_while_they_are_together(split: str) -> None:
    table = former(("x:1", "x:1", split), ("y:1", "y:1", split))
    kept, after = assigned([["y:1", "z:1", "x:1"]], table)
    assert kept == dict.fromkeys(["x:1", "y:1", "z:1"], ("x:1", split))
    assert rows_of(after) == rows_of(table) | {"z:1": ("x:1", split)}


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_all_parts_of_a_group_that_falls_apart_keep_its_name_and_split(split: str) -> None:
    table = former(*((name, "a:1", split) for name in ("a:1", "b:1", "c:1")))
    kept, after = assigned([["b:1"], ["c:1", "d:1"]], table)
    assert kept == dict.fromkeys(["b:1", "c:1", "d:1"], ("a:1", split))
    assert after.filter(pl.col("product_id") != "d:1").equals(table)


@pytest.mark.parametrize("away", ["train", "val", "test"])
def test_a_product_that_comes_back_has_its_former_split(away: str) -> None:
    table = former(("a:1", "a:1", away), ("b:1", "b:1", "train"))
    _, without = assigned([["b:1"]], table)
    assert assigned([["a:1"], ["b:1"]], without)[0]["a:1"] == ("a:1", away)


def test_a_new_group_does_not_take_the_name_of_a_group_of_another_split() -> None:
    table = former(("b:1", TRAIN, "test"), ("c:1", "z:1", "train"))
    kept, after = assigned([[TRAIN], ["b:1"], ["z:1"]], table)
    assert kept[TRAIN] == (f"train/{TRAIN}", "train")
    assert kept["b:1"] == (TRAIN, "test")
    assert kept["z:1"] == ("z:1" if split_of("z:1") == "train" else f"{split_of('z:1')}/z:1", split_of("z:1"))
    assert after.group_by("group_id").agg(pl.col("split").n_unique())["split"].max() == 1


@pytest.mark.parametrize("setting", ["train", "val", "test"])
@pytest.mark.parametrize("was", ["train", "val", "test"])
def test_a_partner_s_setting_moves_its_products_to_a_stricter_split_or_leaves_them_out(was: str, setting: str) -> None:
    table = former(("s:1", "s:1", was), ("b:1", "s:1", was))
    kept, after = assigned([["s:1"], ["b:1"]], table, {"s": setting})
    order = ["train", "val", "test"]
    stricter = max(was, setting, key=order.index)
    assert ("s:1" in kept) == (stricter == setting)
    assert rows_of(after)["s:1"] == ("s:1" if was == stricter else f"{setting}/s:1", stricter)
    assert kept["b:1"] == ("s:1", was)
    # Without the setting it keeps the stricter one.
    assert assigned([["s:1"], ["b:1"]], after, {})[0]["s:1"][1] == stricter


@pytest.mark.parametrize(("was", "is_kept"), [("train", True), ("val", True), ("test", False)])
def test_a_partner_that_wants_no_test_products_keeps_its_training_and_validation_ones(was: str, is_kept: bool) -> None:
    table = former(("rest:1", "rest:1", was))
    kept, after = assigned([["rest:1", "n:1"]], table)
    assert ("rest:1" in kept) == is_kept
    assert kept["n:1"] == ("rest:1", was)
    assert rows_of(after)["rest:1"] == ("rest:1", was)


@pytest.mark.parametrize("member", ["trains:1", "rest:1", "vals:1"])
def test_a_new_product_that_its_component_cannot_admit_is_left_out_in_its_partner_s_split(member: str) -> None:
    kept, after = assigned([[member, "tests:1"]])
    assert set(kept) == {"tests:1"}
    assert rows_of(after)[member][1] in {"trains": ["train"], "vals": ["val"], "rest": ["train", "val"]}[member[:-2]]
    assert assigned([[member], ["tests:1"]], after)[0].keys() == {member, "tests:1"}


def test_a_golden_product_s_new_duplicates_are_test_products_once_they_differ() -> None:
    kept, after = assigned([["gold:1", TRAIN, TRAIN_2]], former((TRAIN_2, TRAIN_2, "train")))
    assert kept == {"gold:1": ("gold:1", "golden")}
    kept, after = assigned([["gold:1"], [TRAIN], [TRAIN_2]], after)
    assert kept == {
        "gold:1": ("gold:1", "golden"),
        TRAIN: ("test/gold:1", "test"),
        TRAIN_2: (TRAIN_2, "train"),
    }
    assert rows_of(after) == kept


def test_products_of_a_partner_that_is_no_longer_golden_are_test_products_and_golden_ones_if_it_is_again() -> None:
    _, table = assigned([["gold:1"], ["gold:2"]], unlabeled=["gold:2"])
    assert set(table["split"]) == {"golden"}
    kept, after = assigned([["gold:1", "b:1"], ["gold:2"]], table, {})
    assert kept == {
        "gold:1": ("test/gold:1", "test"),
        "b:1": ("test/gold:1", "test"),
        "gold:2": ("test/gold:2", "test"),
    }
    kept, again = assigned([["gold:1"], ["b:1"], ["gold:2"]], after)
    assert kept["gold:1"] == ("golden/gold:1", "golden")
    assert kept["b:1"] == ("test/gold:1", "test")
    assert assigned([["gold:1"], ["b:1"], ["gold:2"]], again, {})[0]["gold:1"] == ("test/gold:1", "test")


def test_an_assignment_changes_none_of_its_arguments() -> None:
    table = former(("b:2", "b:2", "train"))
    copy = table.clone()
    products = pl.DataFrame({"product_id": ["b:2", "b:1", "a:1"], "partner_id": list("bba"), "category_id": [1, 2, 3]})
    before = products.to_dict(as_series=False)
    assign_splits(products, np.array([0, 1, 1]), Splitting(former=table, partner_splits={}))
    assert products.to_dict(as_series=False) == before
    assert table.equals(copy)


def test_a_product_that_is_twice_in_the_table_is_refused() -> None:
    table = former(("a:1", "a:1", "train"), ("a:1", "b:1", "test"))
    with pytest.raises(ValueError, match=r"the table splits has products twice: \['a:1', 'a:1'\]; restore it"):
        assigned([["a:1"]], table)
