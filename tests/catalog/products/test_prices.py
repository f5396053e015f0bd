"""Prices: separators of thousands and decimals, by the decimals that each currency has."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.products.currencies import CURRENCIES, NO_DECIMALS, THREE_DECIMALS, num_decimals
from catalog.products.prices import amount_of, prices


def price(text: str) -> tuple[float | None, str | None]:
    amounts, currencies = prices(pl.Series([text]))
    return amounts[0], currencies[0]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1.299 EUR", 1299.0),
        ("1,299 USD", 1299.0),
        ("EUR 1.299", 1299.0),
        ("1.299,00 EUR", 1299.0),
        ("1,299.5 USD", 1299.5),
        ("12.345.678 COP", 12_345_678.0),
        ("1 299,95 PLN", 1299.95),
        ("1\u00a0299,95 PLN", 1299.95),
        ("1\u202f299 EUR", 1299.0),
        ("1'299.50 CHF", 1299.5),
        ("1\u2019299.50 CHF", 1299.5),
        ("12.9900 EUR", 12.99),
        ("1299.000 EUR", 1299.0),
        ("0.990 EUR", 0.99),
        ("1.299 KWD", 1.299),
        ("12.5 BHD", 12.5),
        ("0,125 TND", 0.125),
        ("1.299,500 OMR", 1299.5),
        ("1.299.000 JOD", 1_299_000.0),
        ("1.299 IQD", 1.299),
        ("1.299 LYD", 1.299),
        ("1.299 JPY", 1299.0),
        ("1,299 JPY", 1299.0),
        ("1299.00 JPY", 1299.0),
        ("12.990 CLP", 12_990.0),
        ("129.000 VND", 129_000.0),
    ],
)
def test_three_digits_behind_a_separator_are_thousands_unless_the_currency_has_three_decimals(
    text: str, amount: float
) -> None:
    assert price(text) == (amount, text.strip("0123456789.,' \u00a0\u202f\u2019"))


@pytest.mark.parametrize(
    "text",
    [
        *("0.999 EUR", "12.9912 EUR", "1299.999 EUR", "01.299 EUR", "1.29.299 EUR", "1.299,000.00 EUR", "1..299 EUR"),
        *("1,299 KWD", "1.2345 KWD", "12.99 JPY", "1,5 KRW", "1.2999 JPY", "1 2 EUR", "1234567890123 EUR", "1. EUR"),
    ],
)
def test_an_amount_that_means_nothing_or_two_things_is_no_price(text: str) -> None:
    assert price(text) == (None, None)


def test_the_decimals_are_of_known_currencies_and_no_currency_has_two_counts() -> None:
    assert NO_DECIMALS | THREE_DECIMALS <= CURRENCIES
    assert not NO_DECIMALS & THREE_DECIMALS
    assert [num_decimals(each) for each in ("EUR", "JPY", "KWD")] == [2, 0, 3]


@given(
    amount=st.integers(0, 10**9),
    currency=st.sampled_from(sorted(CURRENCIES)),
    separators=st.sampled_from([(".", ","), (",", "."), (" ", ","), ("'", ".")]),
)
def test_an_amount_with_all_of_its_decimals_is_read_back(
    amount: int, currency: str, separators: tuple[str, str]
) -> None:
    digits = num_decimals(currency)
    thousands, point = separators
    whole, minor = divmod(amount, 10**digits)
    grouped = f"{whole:,}".replace(",", thousands) + (f"{point}{minor:0{digits}}" if digits else "")
    if not (digits == 3 and 0 < whole < 1000 and point == ","):  # which may mean thousands, too
        assert amount_of(grouped, currency) == pytest.approx(amount / 10**digits)
    plain = f"{whole}.{minor:0{digits}}" if digits else str(whole)
    assert price(f"{plain} {currency}") == (pytest.approx(amount / 10**digits), currency)


@given(st.lists(st.text("0123456789., 'EUR", max_size=12)))
def test_a_price_never_raises_and_has_both_parts_or_neither(texts: list[str]) -> None:
    amounts, currencies = prices(pl.Series(texts, dtype=pl.String))
    assert amounts.is_null().to_list() == currencies.is_null().to_list()
