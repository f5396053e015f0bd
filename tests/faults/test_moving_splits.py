"""Deliveries that moved products to other splits, and others of their kind: none moves a product of any partner."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from catalog.dataset.build import Dataset
from tests.catalog.dataset.building import build, product

NUM = 200  # products of each partner, of which each shows the image of another partner's
REMOVED = datetime(2024, 5, 1, tzinfo=UTC)
HELD_OUT = ("val", "test", "golden")
SETTINGS = {"gold": "golden", "tests": "test", "trains": "train", "rest": "train+val"}

Rows = list[dict[str, Any]]


def feed(partner: str, numbers: Sequence[int] = range(NUM), first_image: int = 0, **columns: Any) -> Rows:
    """The rows of a partner's feed: product n shows image n, after `first_image`."""
    return [product(f"{partner}:{n}", f"{partner}.feed", image=f"i{first_image + n}", **columns) for n in numbers]


def dataset(rows: Rows, former: pl.DataFrame | None = None, order: Sequence[str] | None = None) -> Dataset:
    keys = sorted({row["delivery"] for row in rows})
    return build(rows, order=keys if order is None else order, splits=SETTINGS, former=former)


def assert_nothing_moved(before: Dataset, after: Dataset) -> None:
    both = before.rows.join(after.rows, on="product_id", suffix="_after")
    moved = both.filter(pl.col("split") != pl.col("split_after"))
    assert moved.is_empty(), f"{len(moved)} of {len(both)} products changed their split"
    known = before.splits.join(after.splits, on="product_id", how="left", suffix="_after")
    assert known["split_after"].equals(known["split"])
    trained = set(after.rows.filter(split="train")["product_id"])
    evaluated = set(before.rows.filter(pl.col("split").is_in(HELD_OUT))["product_id"])
    assert not trained & evaluated
    images = set(after.rows.filter(split="train")["sha256"])
    assert not images & set(after.rows.filter(pl.col("split") != "train")["sha256"])


def one_row_more(a: Rows) -> Rows:
    return [*a, product("a:new", "a.feed", image="new")]


def one_row_more_at_the_top(a: Rows) -> Rows:
    return [product("a:!", "a.feed", image="new"), *a]


def of_another_order(a: Rows) -> Rows:
    return a[::-1]


def in_two_feeds(a: Rows) -> Rows:
    return [row | {"delivery": f"a.feed{number % 2}"} for number, row in enumerate(a)]


def under_another_feed_s_name(a: Rows) -> Rows:
    return [row | {"delivery": "a.another"} for row in a]


def without_half_of_them(a: Rows) -> Rows:
    return [row | {"removed_at": REMOVED if number % 2 else None} for number, row in enumerate(a)]


def deleted(a: Rows) -> Rows:
    return []


def no_image_found(a: Rows) -> Rows:
    return [row | {"status": "gone"} for row in a]


def one_placeholder_for_all(a: Rows) -> Rows:
    return [row | {"image": "soon"} for row in a]


def another_product_s_image(a: Rows) -> Rows:
    return [row | {"image": f"i{(number + 1) % NUM}"} for number, row in enumerate(a)]


def images_of_its_own(a: Rows) -> Rows:
    return [row | {"image": f"own {number}"} for number, row in enumerate(a)]


def one_item_group(a: Rows) -> Rows:
    return [row | {"item_group_id": "all"} for row in a]


def pairs_of_variants(a: Rows) -> Rows:
    return [row | {"item_group_id": str(number // 2)} for number, row in enumerate(a)]


def without_labels(a: Rows) -> Rows:
    return [row | {"category_id": None} for row in a]


def with_smaller_ids_beside_them(a: Rows) -> Rows:
    return [*(row | {"product_id": f"a:!{number}"} for number, row in enumerate(a)), *a]


DELIVERIES: tuple[Callable[[Rows], Rows], ...] = (
    one_row_more,
    one_row_more_at_the_top,
    of_another_order,
    in_two_feeds,
    under_another_feed_s_name,
    without_half_of_them,
    deleted,
    no_image_found,
    one_placeholder_for_all,
    another_product_s_image,
    images_of_its_own,
    one_item_group,
    pairs_of_variants,
    without_labels,
    with_smaller_ids_beside_them,
)


@pytest.mark.parametrize("delivered", DELIVERIES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("is_last", [False, True], ids=["first", "last"])
def test_a_feed_delivered_again_moves_no_product_and_its_former_content_is_as_before(
    delivered: Callable[[Rows], Rows], is_last: bool
) -> None:
    a, b = feed("a"), feed("b")
    before = dataset(a + b)
    again = delivered(a)
    keys = sorted({row["delivery"] for row in again})
    order = ["b.feed", *keys] if is_last else [*keys, "b.feed"]
    after = dataset(again + b, before.splits, order)
    assert_nothing_moved(before, after)
    back = dataset(a + b, after.splits)
    assert_nothing_moved(before, back)
    assert back.rows.equals(before.rows)


@pytest.mark.parametrize("partner", ["0", "z", "gold", "tests", "trains", "rest"])
@pytest.mark.parametrize("first_image", [0, 50, NUM])
def test_a_partner_that_arrives_with_the_images_of_others_moves_none_of_their_products(
    partner: str, first_image: int
) -> None:
    before = dataset(feed("a") + feed("b"))
    new = feed(partner, range(100), first_image)
    after = dataset([*new, *feed("a"), *feed("b")], before.splits, [f"{partner}.feed", "a.feed", "b.feed"])
    assert_nothing_moved(before, after)
    assert_nothing_moved(after, dataset(feed("a") + feed("b"), after.splits))


@pytest.mark.parametrize("order", [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]], ids="".join)
def test_partners_that_arrive_one_after_another_join_the_groups_that_are_there(order: Sequence[str]) -> None:
    rows, built, former = Rows(), None, None
    for partner in order:
        rows = rows + feed(partner)
        now = dataset(rows, former)
        if built is not None:
            assert_nothing_moved(built, now)
        built, former = now, now.splits
    assert built is not None
    assert set(built.rows["group_id"]) == {f"{order[0]}:{n}" for n in range(NUM)}


@pytest.mark.parametrize(
    "settings",
    [{"a": "train"}, {"a": "val"}, {"a": "test"}, {"a": "train+val"}, {"a": "golden"}, {"a": "golden", "b": "val"}],
    ids=str,
)
def test_a_partner_s_setting_puts_no_evaluated_product_into_training(settings: Mapping[str, str]) -> None:
    rows, order = feed("a") + feed("b", first_image=NUM // 2), ["a.feed", "b.feed"]
    before = build(rows, order=order)
    during = build(rows, order=order, splits=settings, former=before.splits)
    after = build(rows, order=order, former=during.splits)
    evaluated: set[str] = set()
    for built in (before, during, after):
        assert not evaluated & set(built.rows.filter(split="train")["product_id"])
        evaluated |= set(built.rows.filter(pl.col("split").is_in(HELD_OUT))["product_id"])
    for partner, split in settings.items():
        splits = during.rows.filter(partner_id=partner)["split"]
        assert set(splits) <= set(split.split("+"))
        assert len(splits) > 0


def test_an_outage_that_gives_every_product_one_image_leaves_those_of_other_splits_out_until_it_ends() -> None:
    before = dataset(feed("a") + feed("b", first_image=NUM))
    during = dataset(one_placeholder_for_all(feed("a")) + feed("b", first_image=NUM), before.splits)
    of_a = during.rows.filter(partner_id="a")
    assert set(of_a["split"]) == {"test"}
    assert len(of_a) == before.rows.filter(partner_id="a", split="test").height
    assert during.summary.num_split_duplicates == NUM - len(of_a)
    of_b = [built.rows.drop("label_rank").filter(partner_id="b") for built in (before, during)]
    assert of_b[0].equals(of_b[1])
    assert during.splits.equals(before.splits)
