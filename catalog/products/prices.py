"""Prices: an amount and an ISO 4217 currency, with the decimals that the currency has.

A dot or comma before three digits separates thousands, unless the currency has three decimals: `1.299 EUR` is one
thousand two hundred ninety-nine, `1.299 KWD` is one and 299 thousandths.
"""

from __future__ import annotations

import re

import polars as pl

from catalog.products.currencies import CURRENCIES, NO_DECIMALS, num_decimals

MAX_DIGITS = 12  # before the decimals

_AMOUNT = r"(?<amount>[0-9](?:[0-9., '\x{2019}\x{a0}\x{202f}]{0,22}[0-9])?)"
_CURRENCY = r"(?<currency>[A-Za-z]{3})"
_FORMATS = (rf"^{_AMOUNT} ?{_CURRENCY}$", rf"^{_CURRENCY} ?{_AMOUNT}$")
_PLAIN = rf"^[0-9]{{1,{MAX_DIGITS}}}(?:[.,][0-9]{{1,2}})?$"
_WHOLE = rf"^[0-9]{{1,{MAX_DIGITS}}}$"

_DECIMAL = re.compile(r"([0-9]+)(?:([.,])([0-9]+))?")
# Groups of three digits behind one kind of separator, then decimals behind another one.
_GROUPED = re.compile(r"([1-9][0-9]{0,2}(?:([., '\u2019\u00a0\u202f])[0-9]{3})(?:\2[0-9]{3})*)(?:(?!\2)[.,]([0-9]+))?")


def prices(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the amount and the currency of each text, both null where it is no price.

    Args:
        texts: `12.99 EUR`, `12,99 EUR`, `EUR 12.99`, `1.299,00 EUR`, `1,299.00 USD`, `1299 JPY`, or null.

    Returns:
        Amounts (Float64) and ISO 4217 codes. A text with more decimals than its currency has is no price, and neither
        is one with a comma before three digits in a currency of three decimals, which may mean either.
    """
    first, second = _FORMATS
    groups = texts.str.extract_groups(first).struct.unnest()
    missed = groups["amount"].is_null() & texts.is_not_null()
    if missed.any():
        others = texts.str.extract_groups(second).struct.unnest()
        groups = groups.select(pl.coalesce(pl.col(name), others[name]) for name in ("amount", "currency"))
    groups = groups.with_columns(currency=pl.col("currency").str.to_uppercase())
    amount, currency = pl.col("amount"), pl.col("currency")
    is_known = currency.is_in(CURRENCIES)
    is_plain = amount.str.contains(_PLAIN) & (~currency.is_in(NO_DECIMALS) | amount.str.contains(_WHOLE))
    parsed = groups.select(
        price=pl.when(is_known & is_plain).then(amount.str.replace(",", ".", literal=True)).cast(pl.Float64),
        currency=pl.when(is_known).then(currency),
        is_unusual=is_known & ~is_plain,
    )
    if parsed["is_unusual"].any():
        parsed = parsed.with_columns(price=pl.col("price").fill_null(_unusual(groups, parsed["is_unusual"])))
    return parsed["price"], parsed.select(pl.when(pl.col("price").is_not_null()).then("currency")).to_series()


def amount_of(text: str, currency: str) -> float | None:
    """Return the number that a text means in a currency; None where it means none, or may mean two.

    Args:
        text: digits, with separators of thousands and decimals.
        currency: an ISO 4217 code.
    """
    allowed = num_decimals(currency)
    grouped = _GROUPED.fullmatch(text)
    if grouped is not None:
        whole, separator, decimals = grouped[1], grouped[2], grouped[3] or ""
        if allowed == 3 and not decimals and whole.count(separator) == 1 and separator in ".,":
            return float(whole) if separator == "." else None
        return _number(whole.replace(separator, ""), decimals, allowed)
    decimal = _DECIMAL.fullmatch(text)
    return None if decimal is None else _number(decimal[1], decimal[3] or "", allowed)


def _number(whole: str, decimals: str, allowed: int) -> float | None:
    """Returns the number, or None where it has more decimals than are allowed; zeros at their end do not count."""
    if len(whole) > MAX_DIGITS or decimals[allowed:].strip("0"):
        return None
    return float(f"{whole}.{decimals or 0}")


def _unusual(groups: pl.DataFrame, is_unusual: pl.Series) -> pl.Series:
    """Returns the amounts of texts with separators of thousands or many decimals; each distinct one is parsed once."""
    key = groups.select(pl.when(is_unusual).then(pl.col("amount") + "\0" + pl.col("currency"))).to_series()
    amounts = {each: amount_of(*each.split("\0")) for each in key.drop_nulls().unique()}
    return key.replace_strict(amounts, default=None, return_dtype=pl.Float64)
