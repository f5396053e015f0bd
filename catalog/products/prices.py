"""Prices: an amount and an ISO 4217 currency, with the decimals that the currency has.

A dot or comma before three digits separates thousands, unless the currency has three decimals: `1.299 EUR` is one
thousand two hundred ninety-nine, `1.299 KWD` is one and 299 thousandths. Signs of currencies are read, too: `$` is the
US dollar and `¥` the yen unless the partner's currency is another one of that sign; `kr` and `Rs` need the partner's.
"""

from __future__ import annotations

import re

import polars as pl

from catalog.products.currencies import CURRENCIES, NO_DECIMALS, num_decimals
from catalog.products.price_texts import plain_price

MAX_DIGITS = 12  # before the decimals

_AMOUNT = r"(?<amount>[0-9](?:[0-9., '\x{2019}\x{a0}\x{202f}]{0,22}[0-9])?)"
_CURRENCY = r"(?<currency>[A-Za-z]{3})"
_FORMATS = (rf"^{_AMOUNT} ?{_CURRENCY}$", rf"^{_CURRENCY} ?{_AMOUNT}$")
_USUAL = r"^[0-9][0-9.,]{0,22} [A-Z]{3}$"
_PLAIN = rf"^[0-9]{{1,{MAX_DIGITS}}}(?:[.,][0-9]{{1,2}})?$"
_WHOLE = rf"^[0-9]{{1,{MAX_DIGITS}}}$"

_DECIMAL = re.compile(r"([0-9]+)(?:([.,])([0-9]+))?")
# Groups of three digits behind one kind of separator, then decimals behind another one.
_GROUPED = re.compile(r"([1-9][0-9]{0,2}(?:([., '\u2019\u00a0\u202f])[0-9]{3})(?:\2[0-9]{3})*)(?:(?!\2)[.,]([0-9]+))?")
# Lakhs and crores: three digits, then groups of two.
_INDIAN = re.compile(r"[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?")


def prices(texts: pl.Series, currency: str = "") -> tuple[pl.Series, pl.Series]:
    """Return the amount and the currency of each text, both null where it is no price.

    Args:
        texts: `12.99 EUR`, `12,99 EUR`, `EUR 12.99`, `1.299,00 EUR`, `1,299.00 USD`, `1299 JPY`, `€ 9,99`, `12,-`, or
            null.
        currency: That of prices without one; empty where these are no prices.

    Returns:
        Amounts (Float64) and ISO 4217 codes. A text with more decimals than its currency has is no price, and neither
        is one with a comma before three digits in a currency of three decimals, which may mean either.
    """
    groups = _groups(texts)
    is_other = texts.is_not_null() & ~groups["currency"].is_in(CURRENCIES).fill_null(value=False)
    if is_other.any():
        others = _groups(_plain(texts.filter(is_other), currency))
        rows = is_other.arg_true()
        groups = groups.select(groups[name].scatter(rows, others[name]) for name in groups.columns)
    amount, code = pl.col("amount"), pl.col("currency")
    is_known = code.is_in(CURRENCIES)
    is_plain = amount.str.contains(_PLAIN) & (~code.is_in(NO_DECIMALS) | amount.str.contains(_WHOLE))
    parsed = groups.select(
        price=pl.when(is_known & is_plain).then(amount.str.replace(",", ".", literal=True)).cast(pl.Float64),
        currency=pl.when(is_known).then(code),
        is_unusual=is_known & ~is_plain,
    )
    if parsed["is_unusual"].any():
        parsed = parsed.with_columns(price=pl.col("price").fill_null(_unusual(groups, parsed["is_unusual"])))
    return parsed["price"], parsed.select(pl.when(pl.col("price").is_not_null()).then("currency")).to_series()


def _groups(texts: pl.Series) -> pl.DataFrame:
    """Returns the columns amount and currency of texts with an amount and a code, null for others."""
    if (texts.str.contains(_USUAL) | texts.is_null()).all():
        return pl.DataFrame({"amount": texts.str.head(-len(" EUR")), "currency": texts.str.tail(len("EUR"))})
    first, second = _FORMATS
    groups = texts.str.extract_groups(first).struct.unnest()
    missed = groups["amount"].is_null() & texts.is_not_null()
    if missed.any():
        others = texts.str.extract_groups(second).struct.unnest()
        groups = groups.select(pl.coalesce(pl.col(name), others[name]) for name in ("amount", "currency"))
    return groups.with_columns(currency=pl.col("currency").str.to_uppercase())


def _plain(texts: pl.Series, currency: str) -> pl.Series:
    """Returns texts of other forms as an amount and a code; each distinct one is parsed once."""
    distinct = texts.unique()
    plain = pl.Series([plain_price(text, currency) for text in distinct], dtype=pl.String)
    return texts.replace_strict(distinct, plain, return_dtype=pl.String)


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
    if _INDIAN.fullmatch(text):  # 1,29,999.00
        whole, _, decimals = text.partition(".")
        return _number(whole.replace(",", ""), decimals, allowed)
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
