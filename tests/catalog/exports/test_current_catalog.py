"""Rows of the catalog export: one per product, filtered by partner, confidence, depth and time of change."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from catalog.exports.current_catalog import EXPORTED_COLUMNS, CatalogFilter, current_catalog, predicted_deliveries
from catalog.products.redelivery import current_products
from tests.catalog.exports.small_store import NOON, write_delivery

DAY = timedelta(days=1)


def exported(root: Path, partner: str = "acme", **limits: object) -> pl.DataFrame:
    selection = CatalogFilter(**limits)  # type: ignore[arg-type]
    deliveries = predicted_deliveries(UPath(root))[partner]
    return pl.concat(current_catalog(UPath(root), deliveries, selection))


def items(root: Path, **limits: object) -> list[str]:
    return exported(root, **limits)["item_id"].to_list()


def test_deliveries_are_grouped_by_partner(tmp_path: Path) -> None:
    for key in ("acme.spring.00002", "acme.spring.00001", "zwirn.feed"):
        write_delivery(tmp_path, key, [{"item": key}])
    known = predicted_deliveries(UPath(tmp_path))
    assert known == {"acme": ["acme.spring.00001", "acme.spring.00002"], "zwirn": ["zwirn.feed"]}


def test_without_predictions_the_error_names_the_asset(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'universal_catalog' is empty; materialize the asset"):
        predicted_deliveries(UPath(tmp_path))


def test_a_product_has_the_row_of_its_newest_delivery(tmp_path: Path) -> None:
    write_delivery(tmp_path, "acme.old", [{"item": "1", "title": "old"}, {"item": "2", "title": "only here"}])
    write_delivery(tmp_path, "acme.new", [{"item": "1", "title": "new"}], received_at=NOON + DAY)
    rows = exported(tmp_path)
    assert rows.columns == list(EXPORTED_COLUMNS)
    titles = dict(rows.select("item_id", "title").iter_rows())
    assert (len(rows), titles) == (2, {"1": "new", "2": "only here"})


def test_a_removed_product_is_left_out_unless_another_delivery_has_it(tmp_path: Path) -> None:
    gone = {"removed_at": NOON}
    write_delivery(tmp_path, "acme.new", [{"item": "1", **gone}, {"item": "2", **gone}], received_at=NOON + DAY)
    write_delivery(tmp_path, "acme.old", [{"item": "1", "title": "still there"}])
    assert exported(tmp_path)["title"].to_list() == ["still there"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=6, unique_by=lambda row: row[0]),
        min_size=1,
        max_size=4,
    )
)
def test_rows_are_those_that_current_products_selects(
    tmp_path_factory: pytest.TempPathFactory, deliveries: list[list[tuple[int, bool]]]
) -> None:
    root = tmp_path_factory.mktemp("store")
    rows, order = [], []
    for number, delivered in enumerate(deliveries):
        key = f"acme.feed{number % 2}.{number:05d}"
        written = [{"item": str(item), "removed_at": NOON if gone else None} for item, gone in delivered]
        write_delivery(root, key, written, received_at=NOON + number * DAY)
        order.append(key)
        rows += [
            {"product_id": f"acme:{item}", "delivery": key, "row": place, "removed_at": NOON if gone else None}
            for place, (item, gone) in enumerate(delivered, start=1)
        ]
    types = {"removed_at": pl.Datetime("us", "UTC"), "product_id": pl.String, "delivery": pl.String, "row": pl.Int64}
    expected = current_products(pl.DataFrame(rows, schema=types), order).filter(pl.col("removed_at").is_null())
    found = exported(root).select("product_id", "delivery")
    assert sorted(found.iter_rows()) == sorted(expected.select("product_id", "delivery").iter_rows())


def test_confidence_and_depth_are_lower_limits(tmp_path: Path) -> None:
    rows = [
        {"item": "sure", "probability": 0.95},
        {"item": "root", "category_id": 166},
        {"item": "unsure", "probability": 0.4},
        {"item": "none", "category_id": None},
    ]
    write_delivery(tmp_path, "acme.spring", rows)
    assert items(tmp_path) == ["sure", "root", "unsure", "none"]
    assert items(tmp_path, min_confidence=0.9) == ["sure", "root"]
    assert items(tmp_path, min_depth=2) == ["sure", "unsure"]
    assert items(tmp_path, min_confidence=0.9, min_depth=2) == ["sure"]


def test_changed_since_keeps_changes_from_that_time_on(tmp_path: Path) -> None:
    times = {"before": NOON - DAY, "then": NOON, "after": NOON + DAY, "unknown": None}
    write_delivery(tmp_path, "acme.spring", [{"item": name, "changed_at": at} for name, at in times.items()])
    assert items(tmp_path, changed_since=NOON) == ["then", "after", "unknown"]


def test_rows_of_a_table_without_the_times_may_have_changed(tmp_path: Path) -> None:
    write_delivery(tmp_path, "acme.spring", [{"item": "1"}], without=["changed_at"])
    assert items(tmp_path, changed_since=NOON + 9 * DAY) == ["1"]


def test_a_row_that_replaces_another_category_changed_at_the_delivery(tmp_path: Path) -> None:
    long_ago = NOON - 30 * DAY
    changed = {"item": "1", "category_id": 187, "changed_at": long_ago}
    same = {"item": "2", "changed_at": long_ago}
    write_delivery(tmp_path, "acme.old", [{**changed, "category_id": 1604}, same])
    write_delivery(tmp_path, "acme.new", [changed, same], received_at=NOON + DAY)
    assert items(tmp_path, changed_since=NOON) == ["1"]


def test_a_row_that_counts_again_after_a_removal_changed_at_the_removal(tmp_path: Path) -> None:
    long_ago = NOON - 30 * DAY
    row = {"item": "1", "changed_at": long_ago}
    write_delivery(tmp_path, "acme.old", [row], received_at=long_ago)
    newer = {**row, "category_id": 1604, "removed_at": NOON}
    write_delivery(tmp_path, "acme.new", [newer], received_at=long_ago + DAY)
    assert items(tmp_path, changed_since=NOON) == ["1"]
    assert items(tmp_path, changed_since=NOON + DAY) == []


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min_confidence": 1.5}, "at least 1.5 is no share; give one from 0 to 1"),
        ({"min_depth": -1}, "at least -1 is no level; give 1 for a root"),
        ({"changed_since": datetime(2026, 11, 1)}, "2026-11-01T00:00:00 has no time zone"),
    ],
)
def test_an_impossible_limit_is_refused(limits: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CatalogFilter(**limits)  # type: ignore[arg-type]


def test_a_time_in_another_zone_is_the_same_moment(tmp_path: Path) -> None:
    write_delivery(tmp_path, "acme.spring", [{"item": "1", "changed_at": NOON}])
    later = datetime.fromisoformat("2026-11-10T13:00:01+01:00")
    assert items(tmp_path, changed_since=later) == []
    assert items(tmp_path, changed_since=later.astimezone(UTC) - timedelta(seconds=1)) == ["1"]
