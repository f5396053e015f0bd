"""The dataset: which rows it has, and which of them are one group."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from catalog.dataset.assignments import Splitting, no_splits
from catalog.dataset.build import EmptyDatasetError, build_dataset
from tests.catalog.dataset.building import TAXONOMY, build, groups, no_pixels, product, sha256_of


def test_a_product_without_an_image_is_no_row_but_is_counted() -> None:
    dataset = build([product("a:1"), product("a:2", status="gone"), product("a:3", status=None)])
    assert dataset.rows["product_id"].to_list() == ["a:1"]
    summary = dataset.summary
    assert (summary.num_products, summary.num_not_downloaded, summary.num_not_attempted, summary.num_usable) == (
        3,
        1,
        1,
        1,
    )


def test_the_newest_delivery_of_a_product_counts() -> None:
    dataset = build([product("a:1", "d2", category_id=5), product("a:1", "d1"), product("a:2", "d3")])
    row = dataset.rows.row(by_predicate=pl.col("product_id") == "a:1", named=True)
    assert (row["delivery"], row["category_id"]) == ("d2", 5)
    assert dataset.summary.num_superseded_rows == 1


def test_a_delivery_that_is_not_downloaded_yet_replaces_nothing() -> None:
    dataset = build([product("a:1"), product("a:1", "d2", status=None)])
    assert dataset.rows["delivery"].to_list() == ["d1"]


def test_a_failed_newest_delivery_replaces_an_older_image() -> None:
    dataset = build([product("a:1"), product("a:1", "d2", status="gone"), product("a:2")])
    assert dataset.rows["product_id"].to_list() == ["a:2"]


def test_a_removed_product_stays_and_is_counted() -> None:
    dataset = build([product("a:1", removed_at=datetime(2024, 5, 1, tzinfo=UTC)), product("a:2")])
    assert dataset.rows["product_id"].to_list() == ["a:1", "a:2"]
    assert dataset.summary.num_removed == 1


def test_a_product_that_moved_to_another_slice_counts_where_it_is_now() -> None:
    gone = datetime(2024, 5, 1, tzinfo=UTC)
    slices = ("a.feed.00001", "a.feed.00002")
    rows = [
        product("a:1", slices[1], category_id=5, removed_at=gone),
        product("a:1", slices[0], category_id=3),
        product("a:2", slices[0], category_id=3),
        product("a:2", slices[1], category_id=5),
    ]
    dataset = build(rows, order=slices)
    assert dict(dataset.rows.select("product_id", "delivery").iter_rows()) == {"a:1": slices[0], "a:2": slices[0]}
    assert set(dataset.rows["category_id"]) == {3}


def test_products_of_one_image_are_one_group_named_after_the_smallest_id() -> None:
    dataset = build([product("a:1"), product("b:9", image="same"), product("a:0", "d2", image="same")])
    assert groups(dataset) == {"a:1": "a:1", "b:9": "a:0", "a:0": "a:0"}
    assert dict(dataset.rows.select("product_id", "image_group_id").iter_rows()) == groups(dataset)
    assert (dataset.summary.num_groups, dataset.summary.largest_group, dataset.summary.num_exact_duplicates) == (
        2,
        2,
        1,
    )


def test_a_product_delivered_again_keeps_its_group() -> None:
    rows = [product("a:1", image="same"), product("b:1", image="same")]
    again = [*rows, product("a:1", "d2", image="same")]
    assert groups(build(rows)) == groups(build(again)) == {"a:1": "a:1", "b:1": "a:1"}


def test_variants_of_an_item_are_one_group_but_not_across_partners() -> None:
    dataset = build(
        [
            product("a:1", item_group_id="7"),
            product("b:1", item_group_id="7"),
            product("a:2", item_group_id="7", image="same"),
            product("b:2", image="same"),
        ]
    )
    assert groups(dataset) == {"a:1": "a:1", "b:1": "b:1", "a:2": "a:1", "b:2": "a:1"}
    assert (dataset.summary.num_exact_duplicates, dataset.summary.num_variants) == (1, 1)


def test_every_level_is_complete_for_labeled_rows_and_empty_for_the_others() -> None:
    dataset = build([product("a:1", category_id=2), product("a:2", category_id=4), product("a:3", category_id=None)])
    levels = dataset.rows.select("level_1", "level_2", "level_3", "level_4").rows()
    assert levels == [(1, 2, 2, 2), (1, 2, 3, 5), (None, None, None, None)]
    assert dataset.summary.num_labeled == 2


def test_the_columns_are_those_of_the_table() -> None:
    assert dict(build([product("a:1")]).rows.schema) == {
        "product_id": pl.String,
        "partner_id": pl.String,
        "delivery": pl.String,
        "shard": pl.String,
        "sha256": pl.String,
        "group_id": pl.String,
        "image_group_id": pl.String,
        "split": pl.String,
        "category_id": pl.Int64,
        "level_1": pl.Int64,
        "level_2": pl.Int64,
        "level_3": pl.Int64,
        "level_4": pl.Int64,
        "label_rank": pl.Float64,
    }


def test_near_duplicates_are_confirmed_on_thumbnails() -> None:
    products = pl.DataFrame([product(f"a:{n}") | {"row": n} for n in range(3)]).drop("status", "image")
    outcomes = pl.DataFrame(
        {
            "product_id": ["a:0", "a:1", "a:2"],
            "delivery": ["d1"] * 3,
            "status": ["ok"] * 3,
            "sha256": [sha256_of(image) for image in "xyz"],
            "dhash": pl.Series([0, 1, 3], dtype=pl.UInt64),
            "shard": ["shard-00000"] * 3,
        }
    )
    grays = {sha256_of("x"): 10, sha256_of("y"): 12, sha256_of("z"): 200}

    def thumbnails(rows: pl.DataFrame) -> NDArray[np.uint8]:
        assert rows.columns == ["product_id", "delivery", "shard", "sha256"]
        images = np.full((len(rows), 32, 32), 100, dtype=np.uint8)
        images[:, 8:24, 8:24] = np.array([grays[name] for name in rows["sha256"]])[:, None, None]
        return images

    dataset = build_dataset(
        products.with_columns(pl.col("item_group_id").cast(pl.String)),
        outcomes,
        splitting=Splitting(former=no_splits(), partner_splits={}),
        delivery_order=["d1"],
        taxonomy=TAXONOMY,
        thumbnails=thumbnails,
    )
    assert groups(dataset) == {"a:0": "a:0", "a:1": "a:0", "a:2": "a:2"}
    assert dataset.summary.num_near_duplicates == 1


def test_a_dataset_without_downloads_is_an_error() -> None:
    with pytest.raises(EmptyDatasetError, match="no image of 2 products was downloaded; materialize images"):
        build([product("a:1", status="gone"), product("a:2", status=None)])


def test_a_delivery_outside_the_order_is_refused() -> None:
    with pytest.raises(ValueError, match=r"deliveries \['d1'\] are not in the delivery order \['d2'\]"):
        build([product("a:1")], order=["d2"])


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(ValueError, match="the table products lacks partner_id, item_group_id"):
        build_dataset(
            pl.DataFrame({"product_id": ["a:1"]}),
            pl.DataFrame(),
            splitting=Splitting(former=no_splits(), partner_splits={}),
            delivery_order=[],
            taxonomy=TAXONOMY,
            thumbnails=no_pixels,
        )


catalog_rows = st.lists(
    st.builds(
        lambda partner, number, delivery, image, group: product(
            f"{partner}:{number}", f"d{delivery}", image=f"p{image}", item_group_id=group
        ),
        st.sampled_from(["a", "b", "gold"]),
        st.integers(0, 30),
        st.integers(1, 3),
        st.integers(0, 25),
        st.none() | st.sampled_from("xyz"),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: (row["product_id"], row["delivery"]),
)


@settings(max_examples=60)
@given(catalog_rows)
def test_no_group_is_in_two_splits_and_no_image_in_two_groups(rows: list[dict[str, Any]]) -> None:
    dataset = build(rows, golden=["gold"])
    by_group = dataset.rows.group_by("group_id").agg(pl.col("split").n_unique())
    assert (by_group["split"] == 1).all()
    by_image = dataset.rows.group_by("sha256").agg(pl.col("split").n_unique(), pl.col("group_id").n_unique())
    assert (by_image["split"] == 1).all()
    assert (by_image["group_id"] == 1).all()
    assert (dataset.rows["split"] == "golden").equals(dataset.rows["partner_id"] == "gold")
    summary = dataset.summary
    assert summary.num_rows == len(dataset.rows)
    assert summary.num_usable == summary.num_rows + summary.num_golden_unlabeled + summary.num_golden_duplicates
