"""Attributes: price, availability, GTIN and further images, parsed from a feed's texts.

The formats are those of Merchant Center's product data specification. A product whose text cannot be parsed is kept
without that attribute, and a rejected row gives the partner the reason.
"""

from __future__ import annotations

import polars as pl

from catalog.products.entities import unescaped_links
from catalog.products.prices import prices

AVAILABILITIES = ("in_stock", "out_of_stock", "preorder", "backorder")
MAX_SHOWN = 100  # characters of a bad text

# A comma separates two links only before another link or a space, since images' links hold commas too.
_BETWEEN_LINKS = r"(?i)\s*,\s*([a-z][a-z0-9+.-]*://)"
_SPACED_COMMA = r"\s+,\s*|,\s+"
_GTIN = r"^(?:[0-9]{8}|[0-9]{12,14})$"
_GTIN_DIGITS = 14
ROUNDED = r"^[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]{1,2}$"  # 4.00638E+12: a spreadsheet's, of a number that it cut
_HINTS = {
    "price": ("bad_price", "write it as 12.99 EUR, with no more decimals than the currency has"),
    "availability": ("unknown_availability", f"known are {', '.join(AVAILABILITIES)}"),
    "gtin": ("bad_gtin", "write 8, 12, 13 or 14 digits of which the last is the check digit"),
}

# For texts of a form that has a cause of its own.
_OTHER_HINTS = (
    ("gtin", ROUNDED, "was rounded by a spreadsheet: format its column as text there"),
    (
        "price",
        r"^[0-9][0-9., ']*$",
        "has no currency: write it as 12.99 EUR, or set currency = 'EUR' below the partner in partners.toml",
    ),
)


def parse_attributes(rows: pl.DataFrame, currency: str = "") -> tuple[pl.DataFrame, pl.DataFrame]:
    """Parse the texts of price, availability, gtin and additional_image_urls.

    Args:
        rows: Rows of a feed, `FEED_SCHEMA`.
        currency: The currency of prices without one; empty where they are rejected.

    Returns:
        The rows with price (a number), currency, availability, gtin and additional_image_urls (a list of links), null
        where a text cannot be parsed; and for each such text its row as it came, with the columns reason and detail.
    """
    parsed = rows.with_columns(
        *prices(rows["price"], currency),
        availabilities(rows["availability"]),
        gtins(rows["gtin"]),
        links(unescaped_links(rows["additional_image_urls"])),
    )
    return parsed, pl.concat([_unparsed(rows, parsed, column) for column in _HINTS])


def availabilities(texts: pl.Series) -> pl.Series:
    """Return one of `AVAILABILITIES` a text, also for `In stock` or `pre-order`; null for another text."""
    distinct = texts.drop_nulls().unique()  # few, whatever the number of products
    values = distinct.str.to_lowercase().str.replace_all(r"[\s-]+", "_")
    values = values.replace({"pre_order": "preorder", "back_order": "backorder"})
    known = pl.select(pl.when(values.is_in(AVAILABILITIES)).then(values)).to_series()
    return texts.replace_strict(distinct, known, default=None, return_dtype=pl.String)


def gtins(texts: pl.Series) -> pl.Series:
    """Return the texts of 8, 12, 13 or 14 digits with a correct check digit; null for another text.

    Spaces and hyphens do not count, nor does the fraction of a number, as in `4006381333931.0`. The check is that of
    the GS1 General Specifications, section 7.9.
    """
    if texts.str.contains("[ -]").any():
        texts = texts.str.replace_all("[ -]", "")
    if texts.str.contains(".", literal=True).any():
        texts = texts.str.replace(r"\.0+$", "")
    frame = pl.select(texts.alias("gtin"))
    number = pl.when(pl.col("gtin").str.contains(_GTIN)).then(pl.col("gtin")).cast(pl.Int64)
    # From the right, digits count once and three times in turn; the check digit is the first of them.
    digits = [pl.col("number") // 10**position % 10 for position in range(_GTIN_DIGITS)]
    checked = pl.sum_horizontal(digit * (3 if position % 2 else 1) for position, digit in enumerate(digits))
    is_correct = pl.col("number").is_not_null() & (checked % 10 == 0)
    return frame.with_columns(number=number).select(pl.when(is_correct).then("gtin").alias("gtin")).to_series()


def links(texts: pl.Series) -> pl.Series:
    """Return the links of each text as a list, without spaces around them and without empty ones.

    Links are separated by commas and may hold commas, as `https://images.shop/w_400,h_400/7.jpg` does.
    """
    if not texts.str.contains(",", literal=True).any():
        return texts.str.split("\0")  # which no text has: each is one link
    separated = texts.str.replace_all(_BETWEEN_LINKS, "\0$1").str.replace_all(_SPACED_COMMA, "\0")
    parts = separated.str.split("\0")
    return parts.list.eval(pl.element().str.strip_chars(", ").replace("", None).drop_nulls())


def _unparsed(rows: pl.DataFrame, parsed: pl.DataFrame, column: str) -> pl.DataFrame:
    """Returns the rows whose text of the column could not be parsed, with reason and detail."""
    reason, way_out = _HINTS[column]
    bad = rows.filter(rows[column].is_not_null() & parsed[column].is_null())
    text = pl.col(column).str.head(MAX_SHOWN)
    problem, kept = pl.lit(f"cannot be parsed: {way_out}"), "the product is kept without it"
    for other, pattern, words in _OTHER_HINTS:
        if other == column:
            problem = pl.when(pl.col(column).str.contains(pattern)).then(pl.lit(words)).otherwise(problem)
    detail = pl.format(f"{column} '{{}}' {{}}; {kept}", text, problem)
    return bad.with_columns(reason=pl.lit(reason), detail=detail)
