"""Partners: their settings, kept in `partners.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from upath import UPath

from catalog.escaping.secrets import redact
from catalog.feeds.dialects import DELIMITERS
from catalog.feeds.encodings import text_encoding
from catalog.feeds.feed import ATTRIBUTES, ReadOptions, attribute_of
from catalog.feeds.presets.recognition import PRESET_NAMES
from catalog.feeds.shape import Shape
from catalog.feeds.shapes import SHAPES_FILE, parse_shapes
from catalog.products.currencies import CURRENCIES
from catalog.products.feed_limits import GateLimits, read_limits
from catalog.products.mapping_files import ProductTypes, read_categories, read_mapping, read_product_types, read_text
from catalog.storage.toml_files import TomlError, parse_toml

PARTNERS_FILE = "partners.toml"

# With `train+val`, products are split by hash, and none is a test product.
PARTNER_SPLITS = ("train", "val", "test", "train+val")

_PARTNER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # it goes into product ids and paths
_KINDS: dict[str, tuple[type, ...]] = {
    "golden": (bool,),
    "split": (str,),
    "product_types": (str,),
    "feeds": (list,),
    "columns": (str,),
    "max_feed_age_days": (int, float),
    "preset": (str,),
    "currency": (str,),
    "image_base": (str,),
    "categories": (str,),
    "encoding": (str,),
    "delimiter": (str,),
    "gate": (dict,),
}


@dataclass(frozen=True, kw_only=True)
class PartnerSettings:
    """The settings of one partner.

    `golden`: its products are used for evaluation only, never for training.
    `split`: the split of its products, one of `PARTNER_SPLITS`; empty where they are split by hash.
    `product_types`: its own category path -> taxonomy path or id, from the file `product_types_file`, which may have
    further ones that nobody has confirmed.
    `columns`: its own column names -> Merchant Center's attributes; other attributes have Merchant Center's names.
    `feeds`: URLs of feeds that the partner keeps elsewhere, of any kind that fsspec opens.
    `max_feed_age_days`: days after which a newer feed is missed; None for the project's own limit.
    `preset`: the system that exports its feeds, one of `PRESET_NAMES`; empty where the header decides.
    `currency`: that of prices without one, an ISO 4217 code; empty where they are rejected.
    `image_base`: the URL below which relative links of images lie; empty where they are kept as they are.
    `categories`: what its feeds write as google_product_category -> taxonomy path or id, where a person confirmed it,
    from the file `categories_file`.
    `encoding`, `delimiter`: those of its text feeds; empty where they are detected.
    `gate`: its own limits of how much a new version of a feed may differ, by the names of `GateLimits`.
    `shapes`: further shapes of XML feeds, from `feed_shapes.toml`, which all partners share.
    """

    partner_id: str
    golden: bool = False
    split: str = ""
    product_types: Mapping[str, str] = field(default_factory=dict)
    product_types_file: str = "product_types"
    num_unconfirmed_types: int = 0
    feeds: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    max_feed_age_days: float | None = None
    preset: str = ""
    currency: str = ""
    image_base: str = ""
    categories: Mapping[str, str] = field(default_factory=dict)
    categories_file: str = ""
    encoding: str = ""
    delimiter: str = ""
    gate: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[Shape, ...] = ()

    def limits(self, project: GateLimits) -> GateLimits:
        """Return the limits of change of the partner's feeds: the project's, with its own in their place."""
        return replace(project, **self.gate)

    @property
    def read_options(self) -> ReadOptions:
        """Return the settings for the reading of the partner's feeds."""
        return ReadOptions(
            columns=self.columns,
            preset=self.preset,
            currency=self.currency,
            image_base=self.image_base,
            encoding=self.encoding,
            delimiter=self.delimiter,
            shapes=self.shapes,
        )

    @property
    def labeling(self) -> Mapping[str, str]:
        """All texts that a person mapped to a category, by which the partner's products are labeled."""
        return {**self.product_types, **{f"\n{text}": category for text, category in self.categories.items()}}


def read_partners(folder: UPath) -> list[PartnerSettings]:
    """Return all partners, in the order of their names; raises as `read_partner` does."""
    shapes = _read_shapes(folder)
    return [_settings(folder, partner_id, table, shapes) for partner_id, table in sorted(_tables(folder).items())]


def read_partner(folder: UPath, partner_id: str) -> PartnerSettings:
    """Return the partner's settings, from `partners.toml` in the folder and the files beside it.

    Raises:
        ValueError: There is no such file or partner, or a setting is unknown or wrong; the message names the file.
    """
    tables = _tables(folder)
    if partner_id not in tables:
        known = ", ".join(sorted(tables)) or "none"
        raise ValueError(
            f"unknown partner {partner_id!r}; known are {known}; "
            f"add [partners.{partner_id}] to {folder / PARTNERS_FILE}"
        )
    return _settings(folder, partner_id, tables[partner_id], _read_shapes(folder))


def _tables(folder: UPath) -> dict[str, Any]:
    path = folder / PARTNERS_FILE
    try:
        partners = parse_toml(read_text(path, "write it with a table [partners.NAME] for each partner"))
    except TomlError as error:
        raise ValueError(f"{path}: not TOML: {error}; correct it there") from error
    tables = partners.get("partners", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ValueError(f"{path}: 'partners' holds no tables; write [partners.NAME] for each partner")
    return tables


def _settings(folder: UPath, partner_id: str, table: dict[str, Any], shapes: tuple[Shape, ...]) -> PartnerSettings:
    path = folder / PARTNERS_FILE
    if not _PARTNER_ID.fullmatch(partner_id):
        raise ValueError(f"{path}: partner {partner_id!r} has a bad name; use letters, digits, '_' and '-'")
    wrong = [
        name
        for name, value in table.items()
        if not isinstance(value, _KINDS.get(name, ())) or (isinstance(value, bool) and name != "golden")
    ]
    if wrong:
        raise ValueError(
            f"{path}: [partners.{partner_id}] has {wrong[0]} = {redact(repr(table[wrong[0]]))}; "
            "it may have golden = true or false, split = 'SPLIT', product_types = 'FILE.csv', columns = 'FILE.csv', "
            "feeds = ['URL'], max_feed_age_days = NUMBER, encoding = 'NAME', delimiter = 'CHARACTER', "
            "preset = 'PRESET', currency = 'EUR', image_base = 'URL', categories = 'FILE.csv', "
            "and gate = {LIMIT = SHARE}"
        )
    limit = table.get("max_feed_age_days")
    if limit is not None and not limit > 0:
        raise ValueError(
            f"{path}: [partners.{partner_id}] has max_feed_age_days = {limit!r}; write a number of days above 0"
        )
    split = table.get("split", "")
    if split not in ("", *PARTNER_SPLITS) or (split and table.get("golden", False)):
        raise ValueError(
            f"{path}: [partners.{partner_id}] has split = {split!r}; write one of {', '.join(PARTNER_SPLITS)}, "
            "and none for a golden partner, whose products only evaluate"
        )
    _check_reading(f"{path}: [partners.{partner_id}] has", table)
    for url in table.get("feeds", []):
        if not isinstance(url, str) or "://" not in url or not _has_whole_host(url):
            raise ValueError(
                f"{path}: [partners.{partner_id}] has the feed {_shown(url)}; write a URL such as "
                "'https://shop/feed.tsv', with '/', '?' and '#' of a password as %2F, %3F and %23, or drop the file "
                "into the inbox"
            )
    encoding, delimiter = _text_format(table, f"{path}: [partners.{partner_id}]")
    mapping = folder / table["product_types"] if "product_types" in table else None
    types = read_product_types(mapping) if mapping else ProductTypes(categories={})
    confirmed = folder / table["categories"] if "categories" in table else None
    labels = read_categories(confirmed) if confirmed else ProductTypes(categories={})
    return PartnerSettings(
        partner_id=partner_id,
        golden=table.get("golden", False),
        split=split,
        product_types=types.categories,
        product_types_file=str(mapping or path),
        num_unconfirmed_types=types.num_unconfirmed + labels.num_unconfirmed,
        feeds=tuple(table.get("feeds", [])),
        columns=_read_columns(folder / table["columns"]) if "columns" in table else {},
        max_feed_age_days=float(limit) if limit is not None else None,
        preset=table.get("preset", ""),
        currency=table.get("currency", ""),
        image_base=table.get("image_base", ""),
        categories=labels.categories,
        categories_file=str(confirmed or ""),
        encoding=encoding,
        delimiter=delimiter,
        gate=read_limits(table.get("gate", {}), f"{path}: [partners.{partner_id}]"),
        shapes=shapes,
    )


def _check_reading(what: str, table: Mapping[str, Any]) -> None:
    """Raises ValueError for a preset, currency or base of links that is none."""
    preset, currency, base = (table.get(name, "") for name in ("preset", "currency", "image_base"))
    if preset and preset not in PRESET_NAMES:
        raise ValueError(f"{what} preset = {preset!r}; write one of {', '.join(PRESET_NAMES)}")
    if currency and currency not in CURRENCIES:
        raise ValueError(f"{what} currency = {currency!r}; write an ISO 4217 code such as EUR")
    if base and not re.match(r"[a-z][a-z0-9+.-]*://[^/]", base):
        raise ValueError(
            f"{what} image_base = {redact(repr(base))}; write a URL such as 'https://shop/media/catalog/product'"
        )


def _text_format(table: Mapping[str, Any], place: str) -> tuple[str, str]:
    """Returns the encoding and the delimiter of a partner's text feeds, as Python names them; empty where not set."""
    encoding, delimiter = table.get("encoding", ""), table.get("delimiter", "")
    known = text_encoding(encoding) if encoding else ""
    if known is None:
        raise ValueError(
            f"{place} has encoding = {encoding!r}, which is none; write one such as 'utf-8', 'utf-16', 'windows-1250' "
            "or 'iso-8859-2', or remove it, and the encoding is detected"
        )
    if delimiter and delimiter not in DELIMITERS:
        shown = ", ".join(repr(each) for each in DELIMITERS)
        raise ValueError(f"{place} has delimiter = {delimiter!r}; write one of {shown}, or remove it")
    return known, delimiter


def _read_shapes(folder: UPath) -> tuple[Shape, ...]:
    """Returns the shapes of `feed_shapes.toml`; none where there is no such file."""
    path = folder / SHAPES_FILE
    return parse_shapes(read_text(path, "write it"), str(path)) if path.exists() else ()


def _shown(url: object) -> str:
    """A feed's URL without what may be secret in it: its query, passwords and keys."""
    return re.sub(r"\?[^\s'\"]*", "?...", redact(repr(url)))


def _has_whole_host(url: str) -> bool:
    """False where host or port are none, as with a password whose `/` ends the host, and so is shown as a path.

    A chain of file systems, such as ``zip://feed.tsv::ftp://shop/feeds.zip``, has a host in its last link.
    """
    try:
        _ = urlsplit(re.split(r"::(?=[a-z0-9+.-]+://)", url)[-1]).port
    except ValueError:
        return False
    return True


def _read_columns(path: UPath) -> dict[str, str]:
    """Returns the rows of a CSV file with the header column,attribute: the partner's column name -> the attribute."""
    columns = read_mapping(path, ("column", "attribute"), attribute_of)
    attributes: dict[str, str] = {}
    for column, attribute in columns.items():
        if attribute not in ATTRIBUTES:
            raise ValueError(f"{path}: {column!r} is mapped to {attribute!r}; attributes are {', '.join(ATTRIBUTES)}")
        if attribute in attributes:
            both = f"{attributes[attribute]!r} and {column!r}"
            raise ValueError(f"{path}: {both} are mapped to {attribute!r}; remove one of the rows")
        attributes[attribute] = column
    return columns
