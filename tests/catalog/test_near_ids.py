"""Near ids: what a mistyped product may have been."""

import polars as pl

from catalog.near_ids import near_ids

IDS = pl.LazyFrame(
    {"product_id": [f"hansen:{number}" for number in range(1000, 2000)] + ["nord:1234", "nord:12345678"]}
)


def test_the_nearest_spelling_comes_first() -> None:
    assert near_ids("hansen:1099x", IDS)[0] == "hansen:1099"
    assert near_ids("nord:1243", IDS)[0] == "nord:1234"


def test_at_most_three_are_named_and_none_for_what_is_like_nothing() -> None:
    assert len(near_ids("hansen:100", IDS)) == 3
    assert near_ids("", IDS) == []
    assert near_ids("completely different", IDS) == []
