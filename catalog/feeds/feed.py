"""The contract of a feed: six attributes a row, in bounded batches, unreadable rows apart with a reason."""

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

# Merchant Center's attribute -> our column. Every reader fills all six, with nulls where a feed has nothing.
ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "id": "item_id",
        "title": "title",
        "image_link": "image_url",
        "item_group_id": "item_group_id",
        "google_product_category": "google_product_category",
        "product_type": "product_type",
    }
)
COLUMNS = tuple(ATTRIBUTES.values())
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
FeedReader = Callable[[BinaryIO, str], Iterator[FeedBatch]]


def attribute_of(header: str) -> str:
    """The attribute a header means: `Image Link`, `IMAGE_LINK` and `g:image_link` are all `image_link`."""
    return "_".join(header.casefold().replace("_", " ").split()).removeprefix("g:")


def attribute_positions(headers: Sequence[str], name: str) -> dict[str, int]:
    """Where the attributes stand among the headers. Raises `FeedError` for a missing id or a repeated one."""
    positions: dict[str, int] = {}
    for position, header in enumerate(headers):
        attribute = attribute_of(header)
        if attribute not in ATTRIBUTES:
            continue
        if attribute in positions:
            first = headers[positions[attribute]]
            raise FeedError(f"{name}: two columns mean {attribute!r}: {first!r} and {header!r}; remove or rename one")
        positions[attribute] = position
    if "id" not in positions:
        seen = ", ".join(repr(header[:50]) for header in headers[:20])
        raise FeedError(
            f"{name}: no column 'id'; the header has {seen or 'nothing'}; add one, or check the file's format"
        )
    return positions
