"""The contract of a feed: a product's attributes a row, in bounded batches, unreadable rows apart with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

import polars as pl

MAX_BATCH_ROWS = 10_000
MAX_BATCH_BYTES = 32_000_000
MAX_FIELD_BYTES = 100_000  # 20 times the longest attribute that Merchant Center takes
MAX_ROW_BYTES = 4_000_000  # all attributes of a row together, those that nobody reads included
MAX_RAW_CHARACTERS = 2_000

# Merchant Center's attribute -> our column. Every reader fills all of them, with nulls where a feed has nothing.
ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "id": "item_id",
        "title": "title",
        "image_link": "image_url",
        "item_group_id": "item_group_id",
        "google_product_category": "google_product_category",
        "product_type": "product_type",
        "description": "description",
        "additional_image_link": "additional_image_urls",
        "brand": "brand",
        "price": "price",
        "availability": "availability",
        "gtin": "gtin",
        "color": "color",
        "pattern": "pattern",
        "material": "material",
        "size": "size",
        "gender": "gender",
        "age_group": "age_group",
    }
)
COLUMNS = tuple(ATTRIBUTES.values())
REPEATED = "additional_image_link"  # the one that a product may have several of; text has them between commas
UNDERSTOOD = frozenset({"price", "availability", "gtin"})  # those whose texts are understood, or told, later on
NO_NAMES: Mapping[str, str] = MappingProxyType({})
FEED_SCHEMA = pl.Schema({"row": pl.Int64, **dict.fromkeys(COLUMNS, pl.String)})
REFUSED_SCHEMA = pl.Schema({"row": pl.Int64, "raw": pl.String, "reason": pl.String, "detail": pl.String})


class FeedError(ValueError):
    """A feed file that is refused whole; the message names the file, the problem and the way out."""


@dataclass(frozen=True)
class FeedBatch:
    """Some rows of a feed, `FEED_SCHEMA`, and those among them that could not be read, `REFUSED_SCHEMA`.

    `row` counts the feed's data rows from 1. Text has no NUL, no space around it, and is null where empty.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame


# A reader takes an open file and the name to call it by. It may raise `FeedError` after it yielded batches,
# for a truncation shows only at the end: so nothing of a file is taken before its reader has ended well.
# The third argument is the partner's own names of attributes, his -> Merchant Center's, as `PartnerSettings.columns`.
FeedReader = Callable[[BinaryIO, str, Mapping[str, str]], Iterator[FeedBatch]]


def attribute_of(header: str) -> str:
    """The attribute a header means: `Image Link`, `IMAGE_LINK` and `g:image_link` are all `image_link`."""
    return "_".join(header.casefold().replace("_", " ").split()).removeprefix("g:")


def attributes_by_header(names: Mapping[str, str]) -> dict[str, str]:
    """The attribute that each header means, in the form of `attribute_of`: the partner's names go before our own."""
    own = {attribute_of(header): attribute for header, attribute in names.items()}
    return {attribute: attribute for attribute in ATTRIBUTES if attribute not in own.values()} | own


def attribute_positions(headers: Sequence[str], name: str, names: Mapping[str, str] = NO_NAMES) -> dict[str, int]:
    """Where the attributes stand among the headers.

    Raises `FeedError` for an attribute that stands there twice, for one of the partner's `names` that does not, and
    for a missing id.
    """
    attributes = attributes_by_header(names)
    positions: dict[str, int] = {}
    for position, header in enumerate(headers):
        attribute = attributes.get(attribute_of(header), "")
        if attribute not in ATTRIBUTES:
            continue
        if attribute in positions:
            first = headers[positions[attribute]]
            raise FeedError(f"{name}: two columns mean {attribute!r}: {first!r} and {header!r}; remove or rename one")
        positions[attribute] = position
    lacking = [header for header, attribute in names.items() if attribute not in positions]
    if "id" not in positions or lacking:
        wanted = repr(lacking[0]) if lacking else "'id'"
        seen = ", ".join(repr(header[:50]) for header in headers[:20])
        raise FeedError(
            f"{name}: no column {wanted}; the header has {seen or 'nothing'}; add one, or check the file's format"
        )
    return positions
