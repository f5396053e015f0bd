"""Rejections: every reason for which a row of a feed is rejected, what it means, what is kept, and the fix.

The code that gives a reason names it as a literal; a test compares those with this registry, and the page of the
documentation about rejected rows is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

NOTHING = "nothing; the other rows are not affected"
REST = "the product, without this attribute"
UNLABELED = "the product, without a label from this text"


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """A reason: what it means, what is kept of the row, and how the feed or the settings are corrected."""

    reason: str
    meaning: str
    kept: str
    fix: str


REJECTIONS: Mapping[str, Rejection] = MappingProxyType(
    {
        each.reason: each
        for each in (
            # the readers' own
            Rejection(
                reason="wrong_field_count",
                meaning="The row has more or fewer fields than the header.",
                kept=NOTHING,
                fix="Quote fields that hold the delimiter or a line end, and write every column in every row.",
            ),
            Rejection(
                reason="repeated_header",
                meaning="The row is the header once more, as in files that were joined.",
                kept=NOTHING,
                fix="Nothing has to be done; write the header once to have no such row.",
            ),
            Rejection(
                reason="field_too_large",
                meaning="A field has more than 100,000 bytes, or the row more than 4,000,000.",
                kept=NOTHING,
                fix="Shorten the text; look for a quotation mark that is never closed.",
            ),
            Rejection(
                reason="invalid_utf8",
                meaning="An id or a link has bytes that are not UTF-8, in a feed of UTF-8; other texts are repaired.",
                kept=NOTHING,
                fix="Save the whole feed in one encoding, best UTF-8.",
            ),
            Rejection(
                reason="nul_byte",
                meaning="A text has a NUL byte.",
                kept=NOTHING,
                fix="Remove NUL bytes from the export; they are often padding of a fixed-width column.",
            ),
            Rejection(
                reason="broken_json",
                meaning="A line, or an item of an array, is not a JSON object.",
                kept=NOTHING,
                fix="Write every product as a complete object, escaped by a JSON library.",
            ),
            Rejection(
                reason="wrong_type",
                meaning="The id is a JSON value that is neither a text nor a number.",
                kept=NOTHING,
                fix="Write the id as a string.",
            ),
            Rejection(
                reason="rows_apart",
                meaning="Rows of a product in a shop system's export lie apart, without its title and images.",
                kept=NOTHING,
                fix="Deliver the export as it was written, or sort it by product, the row with the title first.",
            ),
            Rejection(
                reason="broken_xml",
                meaning="The XML of a product is broken: its id or its end is not certain. The detail has the line.",
                kept=NOTHING,
                fix="Write the feed with an XML library, which ends every element and escapes every `&` and `<`.",
            ),
            Rejection(
                reason="broken_attribute",
                meaning="An element of a product in XML has no end tag, a control character or wrong bytes.",
                kept=REST,
                fix="Write the feed with an XML library, in one encoding, and without control characters.",
            ),
            # ids
            Rejection(
                reason="missing_id",
                meaning="The row has no id.",
                kept=NOTHING,
                fix="Fill the id, or map the partner's own name of that column to `id`.",
            ),
            Rejection(
                reason="bad_id",
                meaning="The id has more than 200 characters or a control character.",
                kept=NOTHING,
                fix="Write a shorter id, without line ends and tabs.",
            ),
            Rejection(
                reason="rounded_id",
                meaning="A spreadsheet wrote the id as a rounded number, such as 4.00638E+12.",
                kept="the product, under that id; of several that were rounded alike the first",
                fix="Format the column as text in the spreadsheet, before the ids are entered or imported.",
            ),
            Rejection(
                reason="duplicate_id",
                meaning="An earlier row of the delivery has the same id.",
                kept="the first row with the id",
                fix="Give every product, and every variant, an id of its own.",
            ),
            # attributes
            Rejection(
                reason="bad_price",
                meaning="The price cannot be read as an amount with a currency.",
                kept=REST,
                fix="Write it as `12.99 EUR`, with no more decimals than the currency has.",
            ),
            Rejection(
                reason="unknown_availability",
                meaning="The availability is none that Merchant Center knows.",
                kept=REST,
                fix="Write in_stock, out_of_stock, preorder or backorder.",
            ),
            Rejection(
                reason="bad_gtin",
                meaning="The GTIN has a wrong number of digits or a wrong check digit.",
                kept=REST,
                fix="Write 8, 12, 13 or 14 digits, of which the last is the check digit.",
            ),
            # labels
            Rejection(
                reason="unknown_category",
                meaning="The text of google_product_category is in no version of the taxonomy.",
                kept=UNLABELED,
                fix="Write an id or path of the taxonomy; the detail has the nearest known one.",
            ),
            Rejection(
                reason="category_split",
                meaning="The category is of a former version of the taxonomy, and has become several.",
                kept="the product, labeled with the deepest category that has all of them",
                fix="Write one of the categories that the detail names, or add a row to `taxonomy-moves.csv`.",
            ),
            Rejection(
                reason="category_changed",
                meaning="The id of the category means another category since a former version.",
                kept=UNLABELED,
                fix="Write the path of the category, or confirm the id by a row in `taxonomy-moves.csv`.",
            ),
            Rejection(
                reason="category_lost",
                meaning="The category is of a former version of the taxonomy, and nothing takes its place.",
                kept=UNLABELED,
                fix="Write a category of the current version, or add a row to `taxonomy-moves.csv`.",
            ),
        )
    }
)


def rejections_markdown() -> str:
    """Return a table of all reasons, for the documentation."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("| reason | meaning | kept | fix |", "| --- | --- | --- | --- |")
    for each in REJECTIONS.values():
        cells = (f"`{each.reason}`", each.meaning, each.kept, each.fix)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
