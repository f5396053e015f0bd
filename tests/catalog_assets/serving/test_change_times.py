"""Times since which products have their category, as the universal catalog records them."""

from datetime import UTC, datetime, timedelta

import polars as pl

from catalog_assets.serving.universal_catalog import CHANGED_AT, CHANGES, with_change_times

NOW = datetime(2026, 11, 30, tzinfo=UTC)
THEN = NOW - timedelta(days=9)


def times(rows: dict[str, int | None], former: dict[str, tuple[int | None, datetime | None]]) -> list[datetime]:
    """The times of products by id, given their categories and those of the former rows."""
    new = pl.DataFrame(list(rows.items()), schema=["product_id", "category_id"], orient="row")
    old = pl.DataFrame([(key, *value) for key, value in former.items()], schema=CHANGES, orient="row")
    dated = with_change_times(new.cast({"category_id": pl.Int64}), old, NOW)
    assert dated["product_id"].to_list() == list(rows)
    return dated[CHANGED_AT].to_list()


def test_an_unchanged_category_keeps_its_time() -> None:
    assert times({"b": 2, "a": 1, "c": None}, {"a": (1, THEN), "b": (2, THEN), "c": (None, THEN)}) == [THEN] * 3


def test_a_changed_gained_or_lost_category_and_a_first_one_have_the_time_of_now() -> None:
    former = {"a": (1, THEN), "b": (None, THEN), "c": (3, THEN)}
    assert times({"a": 2, "b": 2, "c": None, "new": 4}, former) == [NOW] * 4


def test_a_row_of_an_older_table_without_a_time_has_the_time_of_now() -> None:
    assert times({"a": 1}, {"a": (1, None)}) == [NOW]


def test_a_first_delivery_has_no_former_rows() -> None:
    assert times({"a": 1}, {}) == [NOW]
