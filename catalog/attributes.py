"""Attributes: what a feed's texts about price, availability, GTIN and further pictures mean.

As Merchant Center's product data specification has them. A text that means nothing costs the product that attribute,
not its place: the product is kept without it, and a word to the partner says why.
"""

from __future__ import annotations

import polars as pl

from catalog.currencies import CURRENCIES

AVAILABILITIES = ("in_stock", "out_of_stock", "preorder", "backorder")
MAX_SHOWN = 100  # characters of a bad text

_AMOUNT = r"(?<amount>[0-9]{1,12}(?:[.,][0-9]{1,2}|\.[0-9]{3,4})?)"
_CURRENCY = r"(?<currency>[A-Za-z]{3})"
_PRICES = (rf"^{_AMOUNT} ?{_CURRENCY}$", rf"^{_CURRENCY} ?{_AMOUNT}$")
# A comma parts two links only where the next one begins behind it, or a space, for pictures' links hold commas too.
_BETWEEN_LINKS = r"(?i)\s*,\s*([a-z][a-z0-9+.-]*://)"
_SPACED_COMMA = r"\s+,\s*|,\s+"
_GTIN = r"^(?:[0-9]{8}|[0-9]{12,14})$"
_GTIN_DIGITS = 14
_TOLD = {
    "price": ("bad_price", "write it as 12.99 EUR"),
    "availability": ("unknown_availability", f"known are {', '.join(AVAILABILITIES)}"),
    "gtin": ("bad_gtin", "it is not 8, 12, 13 or 14 digits with a right last one"),
}


def understood(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a feed with price (and currency), availability, gtin and additional_image_urls (a list) understood.

    And the rows whose texts mean nothing, as they came, with the columns `reason` and `detail`: one for each such text.
    """
    meant = rows.with_columns(
        *prices(rows["price"]),
        availabilities(rows["availability"]),
        gtins(rows["gtin"]),
        links(rows["additional_image_urls"]),
    )
    return meant, pl.concat([_told(rows, meant, column) for column in _TOLD])


def prices(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Amount and ISO 4217 currency of `12.99 EUR`, `12,99 EUR` and `EUR 12.99`; null where a text is none of these."""
    first, second = _PRICES
    groups = texts.str.extract_groups(first).struct.unnest()
    missed = groups["amount"].is_null() & texts.is_not_null()
    if missed.any():
        others = texts.str.extract_groups(second).struct.unnest()
        groups = groups.select(pl.coalesce(pl.col(name), others[name]) for name in ("amount", "currency"))
    is_known = groups["currency"].str.to_uppercase().is_in(CURRENCIES)
    known = groups.select(
        price=pl.when(is_known).then(pl.col("amount").str.replace(",", ".", literal=True)).cast(pl.Float64),
        currency=pl.when(is_known).then(pl.col("currency").str.to_uppercase()),
    )
    return known["price"], known["currency"]


def availabilities(texts: pl.Series) -> pl.Series:
    """One of `AVAILABILITIES`, also where it is written as `In stock` or `pre-order`; null for another text."""
    distinct = texts.drop_nulls().unique()  # few, whatever the number of products
    words = distinct.str.to_lowercase().str.replace_all(r"[\s-]+", "_")
    words = words.replace({"pre_order": "preorder", "back_order": "backorder"})
    known = pl.select(pl.when(words.is_in(AVAILABILITIES)).then(words)).to_series()
    return texts.replace_strict(distinct, known, default=None, return_dtype=pl.String)


def gtins(texts: pl.Series) -> pl.Series:
    """Eight, twelve, thirteen or fourteen digits of which the last checks the others; null for another text.

    Spaces and hyphens do not count. The check is that of the GS1 General Specifications, section 7.9.
    """
    if texts.str.contains("[ -]").any():
        texts = texts.str.replace_all("[ -]", "")
    frame = pl.select(texts.alias("gtin"))
    number = pl.when(pl.col("gtin").str.contains(_GTIN)).then(pl.col("gtin")).cast(pl.Int64)
    # From the right, digits count once and three times in turn; the check digit is the first of them.
    digits = [pl.col("number") // 10**place % 10 for place in range(_GTIN_DIGITS)]
    checked = pl.sum_horizontal(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    is_right = pl.col("number").is_not_null() & (checked % 10 == 0)
    return frame.with_columns(number=number).select(pl.when(is_right).then("gtin").alias("gtin")).to_series()


def links(texts: pl.Series) -> pl.Series:
    """The links of each text as a list, without spaces around them and without empty ones.

    Links stand between commas, and may hold commas themselves, as `https://images.shop/w_400,h_400/7.jpg` does.
    """
    if not texts.str.contains(",", literal=True).any():
        return texts.str.split("\0")  # which no text has: each is one link
    parted = texts.str.replace_all(_BETWEEN_LINKS, "\0$1").str.replace_all(_SPACED_COMMA, "\0")
    parts = parted.str.split("\0")
    return parts.list.eval(pl.element().str.strip_chars(", ").replace("", None).drop_nulls())


def _told(rows: pl.DataFrame, meant: pl.DataFrame, column: str) -> pl.DataFrame:
    reason, way_out = _TOLD[column]
    bad = rows.filter(rows[column].is_not_null() & meant[column].is_null())
    shown = pl.col(column).str.head(MAX_SHOWN)
    detail = pl.format(f"{column} '{{}}' means nothing: {way_out}; the product is kept without it", shown)
    return bad.with_columns(reason=pl.lit(reason), detail=detail)
