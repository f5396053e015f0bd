from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.dataset.splits import in_selection_half, label_ranks, split_of, splits_of

keys = st.text(max_size=20)
rows = st.lists(
    st.tuples(
        st.integers(0, 500),
        st.sampled_from(["train", "val", "test", "golden"]),
        st.none() | st.integers(1, 4),
    ),
    unique_by=lambda row: row[0],
    max_size=60,
)


def labeled(drawn: list[tuple[int, str, int | None]]) -> pl.DataFrame:
    frame = pl.DataFrame(
        [(f"shop:{number}", split, category_id) for number, split, category_id in drawn],
        schema={"product_id": pl.String, "split": pl.String, "category_id": pl.Int64},
        orient="row",
    )
    return frame.with_columns(label_ranks(frame))


def test_the_shares_are_70_15_and_15_percent() -> None:
    counts = Counter(split_of(f"shop:{number}") for number in range(20_000))
    assert counts["train"] / 20_000 == pytest.approx(0.70, abs=0.01)
    assert counts["val"] / 20_000 == pytest.approx(0.15, abs=0.01)
    assert counts["test"] / 20_000 == pytest.approx(0.15, abs=0.01)


def test_a_group_is_in_the_split_that_it_has_always_been_in() -> None:
    # Pinned: another hash would move products that models were trained on into the test set.
    assert [split_of(f"shop:{number}") for number in range(10)] == [
        "train",
        "test",
        "train",
        "train",
        "train",
        "train",
        "train",
        "test",
        "val",
        "val",
    ]


@given(st.lists(keys, max_size=30))
def test_a_group_is_in_one_split_in_any_dataset(group_keys: list[str]) -> None:
    splits = splits_of(pl.Series(group_keys, dtype=pl.String))
    assert splits.to_list() == [split_of(key) for key in group_keys]


@given(rows)
def test_every_label_share_is_balanced_and_contains_the_smaller_ones(
    drawn: list[tuple[int, str, int | None]],
) -> None:
    frame = labeled(drawn)
    smaller: set[str] = set()
    for share in (1e-9, 0.05, 0.25, 0.5, 0.999, 1.0):
        chosen = frame.filter(pl.col("label_rank") < share)
        assert smaller <= set(chosen["product_id"])
        smaller = set(chosen["product_id"])
        sizes = Counter(frame.filter(pl.col("label_rank").is_not_null())["category_id"])
        for category_id, size in sizes.items():
            num_chosen = chosen.filter(pl.col("category_id") == category_id).height
            assert num_chosen >= 1
            assert share * size <= num_chosen < share * size + 1
    assert smaller == {f"shop:{number}" for number, split, label in drawn if split == "train" and label is not None}


@given(rows)
def test_only_labeled_training_rows_have_a_rank(drawn: list[tuple[int, str, int | None]]) -> None:
    frame = labeled(drawn)
    is_ranked = [split == "train" and label is not None for _, split, label in drawn]
    assert frame["label_rank"].is_not_null().to_list() == is_ranked


@given(rows, st.randoms())
def test_the_order_of_the_rows_changes_no_rank(drawn: list[tuple[int, str, int | None]], random: object) -> None:
    shuffled = drawn.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ranks = dict(labeled(drawn).select("product_id", "label_rank").iter_rows())
    assert dict(labeled(shuffled).select("product_id", "label_rank").iter_rows()) == ranks


def test_label_ranks_are_independent_of_splits() -> None:
    frame = labeled([(number, "train", 1) for number in range(4_000)])
    would_test = frame.filter(pl.Series([split_of(key) == "test" for key in frame["product_id"]]))
    assert would_test["label_rank"].mean() == pytest.approx(0.5, abs=0.05)


def test_half_of_the_groups_select_and_always_the_same_half() -> None:
    keys = pl.Series([f"partner:{n}" for n in range(20_000)])
    choosing = in_selection_half(keys)
    assert choosing.mean() == pytest.approx(0.5, abs=0.02)
    for split in ("train", "val", "test"):
        assert choosing.filter(splits_of(keys) == split).mean() == pytest.approx(0.5, abs=0.03)
    assert in_selection_half(keys.reverse()).reverse().to_list() == choosing.to_list()
    assert choosing.head(8).to_list() == [in_selection_half(keys[n : n + 1]).item() for n in range(8)]


@given(rows, st.integers(0, 5))
def test_another_draw_of_labels_ranks_the_same_rows_otherwise(
    drawn: list[tuple[int, str, int | None]], draw: int
) -> None:
    frame = labeled(drawn)
    other = label_ranks(frame, draw)
    assert other.is_null().to_list() == frame["label_rank"].is_null().to_list()
    for _, part in frame.with_columns(other=other).drop_nulls("other").group_by("category_id"):
        assert sorted(part["other"]) == sorted(part["label_rank"])


def test_draws_of_labels_differ() -> None:
    frame = labeled([(number, "train", 1) for number in range(100)])
    first, second = (set(frame.filter(label_ranks(frame, draw) < 0.1)["product_id"]) for draw in (0, 1))
    assert len(first) == len(second) == 10
    assert len(first & second) < 5
