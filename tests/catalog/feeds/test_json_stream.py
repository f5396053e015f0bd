"""JSON of any shape: the same products whatever is around them, in windows of any size, and in bounded memory."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds import json_stream, json_text
from catalog.feeds.feed import FeedError
from catalog.feeds.json_lines import json_items
from catalog.feeds.json_stream import BrokenItem
from catalog.feeds.json_values import DECODER, number_text, value_text
from tests.catalog.feeds.reading import Endless, read

TEXTS = st.text(st.sampled_from('ab"\\{}[],: \n\tü'), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
PRODUCTS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), min_size=1, max_size=5)
SHAPES = ("array", "lines", "joined", "page", "nested page")


def content_of(products: list[dict[str, Any]], shape: str, indent: int | None) -> str:
    if shape == "array":
        return json.dumps(products, indent=indent)
    if shape == "lines":
        return "\n".join(map(json.dumps, products))
    if shape == "joined":
        return " ".join(json.dumps(product, indent=indent) for product in products)
    page = {"total": {"num": len(products)}, "products": products, "next": [1, 2]}
    return json.dumps({"data": page} if shape == "nested page" else page, indent=indent)


@given(
    products=PRODUCTS, shape=st.sampled_from(SHAPES), indent=st.sampled_from([None, 1, 4]), chunk=st.integers(1, 200)
)
@settings(max_examples=80, deadline=None)
def test_products_are_the_same_in_every_shape_and_window(
    products: list[dict[str, Any]], shape: str, indent: int | None, chunk: int
) -> None:
    named = [{"id": str(number), **product} for number, product in enumerate(products)]
    content = content_of(named, shape, indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "CHUNK_BYTES", chunk)
        patch.setattr(json_stream, "_MIN_WINDOW", chunk)
        assert list(json_items(io.BytesIO(content.encode()), "feed.x")) == DECODER.decode(json.dumps(named))


@given(content=st.text(st.sampled_from('{}[]":,\n x1'), max_size=60), chunk=st.integers(1, 20))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(content: str, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "CHUNK_BYTES", chunk)
        patch.setattr(json_stream, "_MIN_WINDOW", chunk)
        try:
            items = list(json_items(io.BytesIO(content.encode()), "feed.x"))
        except FeedError as error:
            assert str(error).startswith("feed.x: ")
        else:
            assert all(isinstance(item, dict | BrokenItem) for item in items)


@pytest.mark.parametrize("damage", ['"a" b"', '"a', "1.2.3", "{", "["])
@pytest.mark.parametrize("indent", [1, 3])
def test_a_broken_product_costs_itself_where_the_next_line_shows_where_it_ends(damage: str, indent: int) -> None:
    products = [{"id": "a", "deep": [{"id": "in"}]}, {"id": "x", "title": "HERE"}, {"id": "b"}]
    content = json.dumps({"items": products}, indent=indent).replace('"HERE"', damage)
    items = list(json_items(io.BytesIO(content.encode()), "feed.x"))
    assert [item.reason if isinstance(item, BrokenItem) else item["id"] for item in items] == ["a", "broken_json", "b"]


def test_a_product_without_end_is_skipped_in_constant_memory() -> None:
    source = Endless(b'[{"id": "a"}, {"id": "x", "title": "', b"y" * 100_000, 60, b'"}, {"id": "b"}]')
    batch = read("json_lines", source)
    assert batch.rows["item_id"].to_list() == ["a", "b"]
    assert batch.rejected["reason"].to_list() == ["field_too_large"]
    assert batch.rejected["raw"].str.len_chars().max() <= 2_000


def test_a_page_of_more_than_a_window_streams() -> None:
    filler = b'{"id": "n", "title": "t"},' * 1_000
    batch = read("json_lines", Endless(b'{"products": [', filler, 12, b'{"id": "last"}]}'))
    assert batch.rows.height == 12_001


def test_an_array_of_other_things_in_a_product_is_no_page() -> None:
    content = b'[{"id": "a", "items": [{"id": "in"}]}, {"title": "none", "options": [{"id": "in"}]}]'
    assert read("json_lines", content).rows["item_id"].to_list() == ["a", None]


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ("187.0", "187"),
        ("-0.0", "-0"),
        ("9.90", "9.90"),
        ("1.0E5", "100000"),
        ("1.5e-3", "0.0015"),
        ("12e0", "12"),
        ("1e400", "1e400"),
        ("1e" + "9" * 5_000, "1e" + "9" * 5_000),
    ],
)
def test_numbers_are_the_texts_that_a_person_writes(literal: str, text: str) -> None:
    assert number_text(literal) == text


def test_values_of_another_shape_are_shown_as_json() -> None:
    assert value_text("title", {"en": "Shoe"}) == '{"en": "Shoe"}'
    assert value_text("title", {"value": "Shoe", "lang": "en"}) == "Shoe"
    assert value_text("price", {"amountMicros": "9990000", "currencyCode": "EUR"}) == "9.99 EUR"
    assert value_text("google_product_category", ["187", "443"]) == "187; 443"
    assert value_text("brand", []) is None
