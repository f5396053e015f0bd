"""Attribute labels: which words of partners become classes, and which do not."""

import polars as pl
import pytest

from catalog.products.attribute_labels import attribute_labels, learnable

ROWS = pl.DataFrame({"product_id": ["b", "a", "c", "d"], "delivery": ["2", "1", "1", "1"]})
PRODUCTS = pl.LazyFrame(
    {
        "product_id": ["a", "b", "b", "c"],
        "delivery": ["1", "1", "2", "1"],
        "color": [" Navy ", "old", "NAVY", "  "],
        "price": [1.0, 2.0, 3.0, 4.0],
    }
)


def test_a_row_has_the_text_of_its_own_delivery_in_lower_case() -> None:
    assert attribute_labels(ROWS, PRODUCTS, "color").to_list() == ["navy", "navy", None, None]


@pytest.mark.parametrize("column", ["weight", "price"])
def test_a_column_without_texts_is_refused_with_the_columns_that_have_texts(column: str) -> None:
    with pytest.raises(ValueError, match=rf"no text column '{column}'; it has color, delivery, product_id"):
        attribute_labels(ROWS, PRODUCTS, column)


def test_labels_need_a_minimum_of_training_images() -> None:
    labels = pl.Series(["red"] * 3 + ["blue"] * 2 + ["red", "green", None])
    trains = pl.Series([True] * 5 + [False, True, True])
    assert learnable(labels, trains, 2) == ["blue", "red"]
    assert learnable(labels, trains, 1) == ["blue", "green", "red"]


def test_fewer_than_two_labels_are_refused_with_their_counts() -> None:
    labels, trains = pl.Series(["red"] * 3 + ["blue"] * 2), pl.Series([True] * 5)
    with pytest.raises(ValueError, match="two labels with 3 training images each; there is 'red' 3 times, 'blue' 2"):
        learnable(labels, trains, 3)
    with pytest.raises(ValueError, match="there is no label at all"):
        learnable(pl.Series([None, None], dtype=pl.String), pl.Series([True, True]), 1)
