"""Feed rows: the attributes of a product each, in batches of bounded size; unreadable rows apart, with a reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, BinaryIO

import polars as pl

from catalog.feeds.findings import Findings
from catalog.feeds.shape import Shape

MAX_BATCH_ROWS = 10_000
MAX_BATCH_BYTES = 32_000_000
MAX_FIELD_BYTES = 100_000  # 20 times the longest attribute that Merchant Center takes
MAX_ROW_BYTES = 4_000_000  # all attributes of a row together, also those that are not used
MAX_RAW_CHARACTERS = 2_000
MAX_PARTS = 1_000  # of a feed: a hundred million products, at the default size of a delivery
FREE_ROWS = 100_000  # of a feed, however small its file is
MAX_ROWS_PER_BYTE = 1  # of the file as it was delivered: a product's id and link take some ten, compressed

# Merchant Center's attribute -> our column. Every reader fills all of them, with nulls where a feed has no value.
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
REPEATED = "additional_image_link"  # the one of which a product may have several, separated by commas
PARSED_LATER = frozenset({"price", "availability", "gtin"})  # by `catalog.products.attributes`, with a reason each
NO_NAMES: Mapping[str, str] = MappingProxyType({})
FEED_SCHEMA = pl.Schema({"row": pl.Int64, **dict.fromkeys(COLUMNS, pl.String)})
REJECTED_ROWS_SCHEMA = pl.Schema({"row": pl.Int64, "raw": pl.String, "reason": pl.String, "detail": pl.String})


class FeedError(ValueError):
    """A feed file that is refused whole; the message names the file, the problem and the way out."""


@dataclass(frozen=True)
class RowImages:
    """The images that a feed brings: `content` has the bytes of each row from `first_row` on, null without any."""

    first_row: int
    content: Any  # an Arrow array of bytes, maybe with a dictionary, which is never decoded as a whole

    def of(self, row: int) -> bytes | None:
        """Returns the bytes of a row's image."""
        content: bytes | None = self.content[row - self.first_row].as_py()
        return content


@dataclass(frozen=True)
class FeedBatch:
    """Rows of a feed, `FEED_SCHEMA`, and those among them that could not be read, `REJECTED_ROWS_SCHEMA`.

    `row` counts the feed's data rows from 1. A row that is read without a broken attribute is in both. Text has no NUL,
    no space around it, and is null where empty. `images` are those of a feed that brings them; such a feed is always
    converted to parts.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    images: RowImages | None = None
    num_repaired: int = 0  # rows with bytes that are not UTF-8, see `repairs`

    @property
    def num_rows(self) -> int:
        """The number of rows of the feed."""
        return self.rows.height + self.rejected.join(self.rows, on="row", how="anti").height


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """A partner's settings for the reading of its feeds, and the findings about the one that is read.

    `columns`: its own column names -> Merchant Center's attributes, as in `PartnerSettings.columns`.
    `preset`: the name of a shop system's export, see `catalog.feeds.presets`; empty where the header decides.
    `currency`: the currency of prices that come without one; empty where such prices are rejected.
    `image_base`: the URL below which relative links of images lie; empty where they are kept as they are.
    `encoding`, `delimiter`: those of its text feeds; empty where they are detected.
    `shapes`: the user's own shapes of XML feeds, which go before those of the package.
    `findings`: what is detected is noted there, and what is recorded there is used; no part of the settings. None
    where nothing is kept: each reading then detects by itself.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    preset: str = ""
    currency: str = ""
    image_base: str = ""
    encoding: str = ""
    delimiter: str = ""
    shapes: tuple[Shape, ...] = ()
    findings: Findings | None = field(default=None, compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the settings; empty for the default ones."""
        names = ("preset", "currency", "image_base", "encoding", "delimiter")
        others = {name: getattr(self, name) for name in names} | {"shapes": repr(self.shapes) if self.shapes else ""}
        set_ones = {name: value for name, value in others.items() if value}
        if not set_ones:
            return columns_fingerprint(self.columns)
        text = json.dumps([sorted(self.columns.items()), sorted(set_ones.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def note(self, name: str, value: str) -> str:
        """Record what a reader detected, and return the finding to use: one that was recorded before stays."""
        return self.findings.note(name, value) if self.findings is not None else value

    def detected(self, name: str) -> str | None:
        """Return a recorded finding; None where there is none."""
        return self.findings.get(name) if self.findings is not None else None


DEFAULT_OPTIONS = ReadOptions()

# The arguments: an open file, its name in messages, and the partner's options. A reader may raise `FeedError` after
# it yielded batches, as a truncation shows only at the end: nothing of a file may be used before its reader has
# finished.
FeedReader = Callable[[BinaryIO, str, ReadOptions], Iterator[FeedBatch]]


def attribute_of(header: str) -> str:
    """Return the attribute of a header: `Image Link`, `IMAGE_LINK` and `g:image_link` are all `image_link`."""
    return "_".join(header.casefold().replace("_", " ").split()).removeprefix("g:")


def attributes_by_header(names: Mapping[str, str]) -> dict[str, str]:
    """Return the attribute of each header, in the form of `attribute_of`; the partner's names replace our own."""
    own = {attribute_of(header): attribute for header, attribute in names.items()}
    return {attribute: attribute for attribute in ATTRIBUTES if attribute not in own.values()} | own


def columns_fingerprint(names: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits that change with a partner's column names, or product types; empty for none."""
    return hashlib.sha256(json.dumps(sorted(names.items())).encode()).hexdigest()[:16] if names else ""


def attribute_columns(headers: Sequence[str], name: str, options: ReadOptions) -> dict[str, tuple[int, ...]]:
    """Return the columns of each attribute among the headers, in their order.

    Raises:
        FeedError: One of the partner's own names is missing, or the id is.
    """
    attributes = attributes_by_header(options.columns)
    found: dict[str, list[int]] = {}
    for position, header in enumerate(headers):
        attribute = attributes.get(attribute_of(header), "")
        if attribute in ATTRIBUTES:
            found.setdefault(attribute, []).append(position)
    _refuse_missing(found, headers, name, options.columns)
    return {attribute: tuple(positions) for attribute, positions in found.items()}


def attribute_positions(headers: Sequence[str], name: str, names: Mapping[str, str] = NO_NAMES) -> dict[str, int]:
    """Return the position of each attribute among the headers.

    Raises:
        FeedError: An attribute is there twice, one of the partner's `names` is missing, or the id is.
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
    _refuse_missing(positions, headers, name, names)
    return positions


def _refuse_missing(found: Mapping[str, object], headers: Sequence[str], name: str, names: Mapping[str, str]) -> None:
    lacking = [header for header, attribute in names.items() if attribute not in found]
    if "id" not in found or lacking:
        wanted = repr(lacking[0]) if lacking else "'id'"
        seen = ", ".join(repr(header[:50]) for header in headers[:20])
        raise FeedError(
            f"{name}: no column {wanted}; the header has {seen or 'nothing'}; add one, or check the file's format"
        )
