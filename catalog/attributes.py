"""Attributes: what a feed's texts about price, availability, GTIN and further pictures mean.

As Merchant Center's product data specification has them. A text that means nothing costs the product that attribute,
not its place: the product is kept without it, and a word to the partner says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

AVAILABILITIES = ("in_stock", "out_of_stock", "preorder", "backorder")
MAX_SHOWN = 100  # characters of a bad text

_AMOUNT = r"([0-9]{1,12}(?:[.,][0-9]{1,2}|\.[0-9]{3,4})?)"
_PRICES = (rf"^{_AMOUNT} ?([A-Za-z]{{3}})$", rf"^([A-Za-z]{{3}}) ?{_AMOUNT}$")
_GTIN = r"^(?:[0-9]{8}|[0-9]{12,14})$"
_GTIN_DIGITS = 14


@dataclass(frozen=True)
class _Attribute:
    """One attribute: the feed's column, the columns it becomes, and what is told of a text that means nothing."""

    column: str
    values: tuple[pl.Expr, ...]  # the first is null where the text means nothing
    reason: str
    way_out: str


def _price() -> tuple[pl.Expr, pl.Expr]:
    """Amount and ISO 4217 currency of `12.99 EUR`, `12,99 EUR` and `EUR 12.99`."""
    amounts = [pl.col("price").str.extract(pattern, group) for pattern, group in zip(_PRICES, (1, 2), strict=True)]
    currencies = [pl.col("price").str.extract(pattern, group) for pattern, group in zip(_PRICES, (2, 1), strict=True)]
    amount = pl.coalesce(amounts).str.replace(",", ".", literal=True).cast(pl.Float64)
    return amount.alias("price"), pl.coalesce(currencies).str.to_uppercase().alias("currency")


def _availability() -> pl.Expr:
    """One of `AVAILABILITIES`, also where it is written as `In stock` or `pre-order`."""
    text = pl.col("availability").str.to_lowercase().str.replace_all(r"[\s-]+", "_")
    text = text.replace({"pre_order": "preorder", "back_order": "backorder"})
    return pl.when(text.is_in(AVAILABILITIES)).then(text).alias("availability")


def _gtin() -> pl.Expr:
    """Eight, twelve, thirteen or fourteen digits of which the last checks the others (GS1 General Specifications)."""
    text = pl.col("gtin").str.replace_all(r"[ -]", "")
    number = pl.when(text.str.contains(_GTIN)).then(text).cast(pl.Int64)
    # From the right, digits count once and three times in turn; the check digit is the first of them.
    digits = [number // 10**place % 10 for place in range(_GTIN_DIGITS)]
    checked = pl.sum_horizontal(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return pl.when(number.is_not_null() & (checked % 10 == 0)).then(text).alias("gtin")


ATTRIBUTES = (
    _Attribute("price", _price(), "bad_price", "write it as 12.99 EUR"),
    _Attribute("availability", (_availability(),), "unknown_availability", f"known are {', '.join(AVAILABILITIES)}"),
    _Attribute("gtin", (_gtin(),), "bad_gtin", "it is not 8, 12, 13 or 14 digits with a right last one"),
)


def understood(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a feed with price (and currency), availability, gtin and additional_image_urls (a list) understood.

    And the rows whose texts mean nothing, as they came, with the columns `reason` and `detail`: one for each such text.
    """
    links = pl.col("additional_image_urls").str.split(",").list.eval(pl.element().str.strip_chars().replace("", None))
    values = [value for attribute in ATTRIBUTES for value in attribute.values]
    meant = rows.with_columns(*values, links.list.drop_nulls().alias("additional_image_urls"))
    return meant, pl.concat([_told(rows, meant, attribute) for attribute in ATTRIBUTES])


def _told(rows: pl.DataFrame, meant: pl.DataFrame, attribute: _Attribute) -> pl.DataFrame:
    column = attribute.column
    bad = rows.filter(rows[column].is_not_null() & meant[column].is_null())
    shown = pl.col(column).str.head(MAX_SHOWN)
    detail = pl.format(f"{column} '{{}}' means nothing: {attribute.way_out}; the product is kept without it", shown)
    return bad.with_columns(reason=pl.lit(attribute.reason), detail=detail)


def reasons() -> Iterator[str]:
    """The reasons for which a product may be among the rejected rows though it is kept."""
    return (attribute.reason for attribute in ATTRIBUTES)
