"""Succession: a product that comes again replaces the older one, and one that is gone is marked, never deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from catalog.feeds.deliveries import Delivery, Part
from catalog.products.redelivery import REMOVED_AT, REMOVED_AT_TYPE, current_products, merge_redelivery
from catalog.storage.files import write_parquet
from catalog.storage.warehouse import query, write_warehouse

T1, T2, T3 = (datetime(2024, 5, day, tzinfo=UTC) for day in (1, 2, 3))
IDS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


def feed(ids: str | list[str], title: str = "") -> pl.DataFrame:
    """The products of a feed's rows, in their order."""
    return pl.DataFrame(
        {"product_id": list(ids), "title": [title] * len(ids), "row": range(1, len(ids) + 1)},
        schema={"product_id": pl.String, "title": pl.String, "row": pl.Int64},
    )


def removed(products: pl.DataFrame) -> dict[str, datetime]:
    return dict(products.filter(pl.col(REMOVED_AT).is_not_null()).select("product_id", REMOVED_AT).iter_rows())


def test_a_first_delivery_has_nothing_removed() -> None:
    products = merge_redelivery(None, feed("abc"), removed_at=T1)
    assert products.drop(REMOVED_AT).equals(feed("abc"))
    assert removed(products) == {}
    assert products.schema[REMOVED_AT] == REMOVED_AT_TYPE


def test_a_product_that_is_gone_stays_with_the_time_of_removal() -> None:
    products = merge_redelivery(merge_redelivery(None, feed("abc"), removed_at=T1), feed("ca", "new"), removed_at=T2)
    assert products["product_id"].to_list() == ["a", "b", "c"]
    assert products["title"].to_list() == ["new", "", "new"]
    assert removed(products) == {"b": T2}


def test_the_time_of_removal_is_the_first_and_is_forgotten_when_the_product_returns() -> None:
    gone = merge_redelivery(merge_redelivery(None, feed("ab"), removed_at=T1), feed("a"), removed_at=T2)
    assert removed(merge_redelivery(gone, feed("a"), removed_at=T3)) == {"b": T2}
    assert removed(merge_redelivery(gone, feed("ba"), removed_at=T3)) == {}


def test_a_superseded_part_keeps_its_products_as_removed() -> None:
    products = merge_redelivery(merge_redelivery(None, feed("ab"), removed_at=T1), feed(""), removed_at=T2)
    assert removed(products) == {"a": T2, "b": T2}


def test_columns_that_an_older_table_lacks_are_empty_for_removed_products() -> None:
    former = feed("ab").drop("title").with_columns(color=pl.lit("red"))
    products = merge_redelivery(former, feed("b", "new"), removed_at=T2)
    assert products.columns == ["product_id", "title", "row", REMOVED_AT]
    assert products["title"].to_list() == [None, "new"]


@settings(max_examples=30, deadline=None)
@given(feeds=st.lists(IDS, min_size=1, max_size=6))
def test_through_any_feeds_products_keep_their_positions(feeds: list[list[str]]) -> None:
    products: pl.DataFrame | None = None
    for day, ids in enumerate(feeds):
        before = [] if products is None else products["product_id"].to_list()
        products = merge_redelivery(products, feed(ids, f"day {day}"), removed_at=T1 + timedelta(days=day))
        after = products["product_id"].to_list()
        assert after == before + [each for each in ids if each not in before]
        assert set(removed(products)) == set(after) - set(ids)
        assert (
            products.filter(pl.col(REMOVED_AT).is_null())
            .sort("row")
            .equals(feed(ids, f"day {day}").with_columns(pl.lit(None, REMOVED_AT_TYPE).alias(REMOVED_AT)))
        )
        again = merge_redelivery(products, feed(ids, f"day {day}"), removed_at=T1 + timedelta(days=day))
        assert again.equals(products)


def rows(*products: tuple[str, str, int, datetime | None]) -> pl.DataFrame:
    """Rows (product_id, delivery, row, removed_at)."""
    schema = {"product_id": pl.String, "delivery": pl.String, "row": pl.Int64, REMOVED_AT: REMOVED_AT_TYPE}
    return pl.DataFrame(list(products), schema=schema, orient="row")


def counted(products: pl.DataFrame, *delivery_order: str) -> list[tuple[str, str, int]]:
    return list(current_products(products, delivery_order).select("product_id", "delivery", "row").iter_rows())


def test_the_newest_delivery_counts() -> None:
    products = rows(("a", "p.old", 1, None), ("b", "p.old", 2, None), ("a", "p.new", 7, None))
    assert counted(products, "p.old", "p.new") == [("b", "p.old", 2), ("a", "p.new", 7)]


def test_among_the_parts_of_one_feed_the_first_row_counts() -> None:
    products = rows(("a", "p.big.00002", 9, None), ("a", "p.big.00001", 3, None))
    assert counted(products, "p.big.00001", "p.big.00002") == [("a", "p.big.00001", 3)]


def test_a_removed_row_never_beats_a_present_one() -> None:
    products = rows(("a", "p.old", 1, None), ("a", "p.new", 1, T2))
    assert counted(products, "p.old", "p.new") == [("a", "p.old", 1)]
    moved = rows(("a", "p.big.00001", 3, T2), ("a", "p.big.00002", 9, None))
    assert counted(moved, "p.big.00001", "p.big.00002") == [("a", "p.big.00002", 9)]


def test_a_product_that_every_feed_dropped_is_removed() -> None:
    products = current_products(rows(("a", "p.old", 1, T1), ("a", "p.new", 1, T2)), ["p.old", "p.new"])
    assert removed(products) == {"a": T2}


def test_an_unregistered_delivery_is_named() -> None:
    with pytest.raises(ValueError, match=r"p\.new"):
        current_products(rows(("a", "p.new", 1, None)), ["p.old"])


ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from(["p.one", "p.two.00001", "p.two.00002", "p.two.00010", "q.one"]),
        st.none() | st.sampled_from([T1, T2]),
    ),
    unique_by=lambda row: row[:2],
    min_size=1,
)


@given(drawn=ROWS, order=st.permutations(["p.one", "p.two", "q.one"]))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_view_of_the_warehouse_is_the_same_as_in_python(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[str, str, datetime | None]],
    order: list[str],
) -> None:
    root = tmp_path_factory.mktemp("store")
    products = rows(*((product, delivery, number, gone) for number, (product, delivery, gone) in enumerate(drawn)))
    for (delivery,), part in products.group_by("delivery"):
        write_parquet(part, UPath(root / f"products/delivery={delivery}/data.parquet"))
        register(root, str(delivery), T1 + timedelta(days=order.index(".".join(str(delivery).split(".")[:2]))))
    write_warehouse(root / "catalog.duckdb", str(root))
    current = query(root / "catalog.duckdb", "SELECT product_id, delivery, row FROM current_products")
    delivery_order = sorted(
        products["delivery"].unique(), key=lambda key: (order.index(".".join(key.split(".")[:2])), key)
    )
    assert sorted(current.iter_rows()) == sorted(counted(products, *delivery_order))


def register(root: Path, key: str, received_at: datetime) -> None:
    Delivery(
        key=key,
        partner_id=key[0],
        feed="p/x.tsv",
        feed_format="google_tsv",
        sha256="0",
        num_bytes=1,
        received_at=received_at.isoformat(),
        part=Part(),
    ).save(UPath(root / "deliveries"))
