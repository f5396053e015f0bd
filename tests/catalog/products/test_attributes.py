"""Price, availability, GTIN and further images are parsed; what cannot be parsed is rejected, its product kept."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.feeds.feed import FEED_SCHEMA
from catalog.products.attributes import AVAILABILITIES, parse_attributes
from catalog.products.prices import prices


def parsed(column: str, *texts: str | None) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """The rows with these texts in one column, parsed, and row, reason and detail of the rejected ones."""
    rows = pl.DataFrame(
        [{"row": n, "item_id": "a", column: text} for n, text in enumerate(texts, 1)], schema=FEED_SCHEMA
    )
    values, rejected = parse_attributes(rows)
    return values, rejected.select("row", "reason", "detail").rows()


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("12.99 EUR", 12.99, "EUR"),
        ("12.99EUR", 12.99, "EUR"),
        ("USD 5", 5.0, "USD"),
        ("12,99 eur", 12.99, "EUR"),
        ("0.5 KWD", 0.5, "KWD"),
        ("1.234 KWD", 1.234, "KWD"),
        (None, None, None),
    ],
)
def test_a_price_is_an_amount_and_a_currency(text: str | None, amount: float | None, currency: str | None) -> None:
    values, rejected = parsed("price", text)
    assert values.select("price", "currency").row(0) == (amount, currency)
    assert rejected == []


NO_PRICES = ["EUR", "12.99 EUROS?", "-5 EUR", "free", "1e9 EUR", "=1+1", "5 pcs"]


@pytest.mark.parametrize("text", NO_PRICES)
def test_a_price_that_cannot_be_parsed_is_rejected_and_left_out(text: str) -> None:
    values, rejected = parsed("price", "1 EUR", text)
    assert values["price"].to_list() == [1.0, None]
    assert values["currency"].to_list() == ["EUR", None]
    [(row, reason, detail)] = rejected
    assert (row, reason) == (2, "bad_price")
    way_out = "write it as 12.99 EUR, with no more decimals than the currency has"
    assert detail == f"price '{text}' cannot be parsed: {way_out}; the product is kept without it"


def test_a_price_without_a_currency_is_read_with_the_partner_s_alone() -> None:
    _, [(_, reason, detail)] = parsed("price", "12.99")
    assert reason == "bad_price"
    assert "price '12.99' has no currency: write it as 12.99 EUR, or set currency = 'EUR' below the partner" in detail
    amounts, currencies = prices(pl.Series(["12.99", "1.299 KWD", None]), "USD")
    assert (amounts.to_list(), currencies.to_list()) == ([12.99, 1.299, None], ["USD", "KWD", None])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(value, value) for value in AVAILABILITIES],
        ("In Stock", "in_stock"),
        ("OUT OF STOCK", "out_of_stock"),
        ("pre-order", "preorder"),
        ("back order", "backorder"),
    ],
)
def test_availability_is_one_of_four_words(text: str, value: str) -> None:
    assert parsed("availability", text)[0]["availability"].to_list() == [value]


def test_an_unknown_availability_is_rejected_with_the_known_ones() -> None:
    values, rejected = parsed("availability", "soon")
    assert values["availability"].to_list() == [None]
    assert rejected[0][1] == "unknown_availability"
    assert "known are in_stock, out_of_stock, preorder, backorder" in rejected[0][2]


def check_digit(digits: str) -> str:
    """By the rule of GS1: from the right, times 3 and 1 in turn, up to the next ten."""
    total = sum(int(digit) * (3 if position % 2 == 0 else 1) for position, digit in enumerate(reversed(digits)))
    return str(-total % 10)


@given(
    digits=st.sampled_from([7, 11, 12, 13]).flatmap(lambda size: st.text("0123456789", min_size=size, max_size=size))
)
def test_a_gtin_counts_with_its_check_digit_and_with_no_other(digits: str) -> None:
    right = check_digit(digits)
    wrong = str((int(right) + 1) % 10)
    values, rejected = parsed("gtin", digits + right, digits + wrong)
    assert values["gtin"].to_list() == [digits + right, None]
    assert [(row, reason) for row, reason, _ in rejected] == [(2, "bad_gtin")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4006381333931", "4006381333931"),
        ("400-6381 333931", "4006381333931"),
        ("4006381333930", None),
        ("12345", None),
        ("40063813339\uff131", None),
    ],
)
def test_known_gtins(text: str, value: str | None) -> None:
    assert parsed("gtin", text)[0]["gtin"].to_list() == [value]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        (None, None),
        ("http://b", ["http://b"]),
        ("http://a/1.jpg, http://a/2.jpg,,", ["http://a/1.jpg", "http://a/2.jpg"]),
        ("http://a/1.jpg,http://a/2.jpg ,HTTPS://a/3.jpg", ["http://a/1.jpg", "http://a/2.jpg", "HTTPS://a/3.jpg"]),
        ("https://a/w_4,h_4/1.jpg,https://a/w_4,h_4/2.jpg", ["https://a/w_4,h_4/1.jpg", "https://a/w_4,h_4/2.jpg"]),
        ("a.jpg, b.jpg", ["a.jpg", "b.jpg"]),
        (",", []),
    ],
)
def test_further_images_are_a_list_of_links_which_may_hold_commas(text: str | None, links: list[str] | None) -> None:
    values, rejected = parsed("additional_image_urls", text, "http://b")
    assert values["additional_image_urls"].to_list() == [links, ["http://b"]]
    assert rejected == []


def test_each_text_that_cannot_be_parsed_is_rejected_once() -> None:
    rows = pl.DataFrame(
        [{"row": 1, "item_id": "a", "price": "x", "gtin": "y", "availability": "z"}], schema=FEED_SCHEMA
    )
    assert parse_attributes(rows)[1]["reason"].to_list() == ["bad_price", "unknown_availability", "bad_gtin"]
