"""Partners: who delivers feeds, and what is agreed with each, kept in `partners.toml`."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from upath import UPath

from catalog.feeds.feed import ATTRIBUTES, attribute_of
from catalog.taxonomy import Taxonomy, canonical_path
from catalog.taxonomy_moves import Moves

PARTNERS_FILE = "partners.toml"

_PARTNER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # it goes into product ids and paths
_KINDS = {"golden": bool, "product_types": str, "feeds": list, "columns": str}


@dataclass(frozen=True, kw_only=True)
class PartnerSettings:
    """What is agreed with one partner.

    `golden`: its products only ever judge models.
    `product_types`: its own category path -> taxonomy path or id, as the file `product_types_file` has it.
    `columns`: its own names of attributes -> Merchant Center's; what has no name of its own is called as there.
    `feeds`: URLs of feeds that the partner keeps elsewhere, of any kind that fsspec opens.
    """

    partner_id: str
    golden: bool = False
    product_types: Mapping[str, str] = field(default_factory=dict)
    product_types_file: str = "product_types"
    feeds: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


def mapped_categories(partner: PartnerSettings, taxonomy: Taxonomy, moves: Moves | None = None) -> dict[str, int]:
    """The category of each of the partner's product types, these in canonical form.

    A mapping onto a category of a former version goes where `moves` say that it went.

    Raises `ValueError` naming the partner's file and the value where the taxonomy lacks a category.
    """
    categories = {}
    for product_type, text in partner.product_types.items():
        category_id = taxonomy.resolve(text)
        move = moves.of(text if category_id is None else str(category_id)) if moves is not None else None
        if move is not None and move.kind != "split":
            category_id = move.new_id
        if category_id is None:
            nearest = taxonomy.nearest(move.old_path if move else text)
            guess = f"; it was {move.old_path!r} in version {move.version}" if move else ""
            guess += f"; the nearest known is {nearest!r}" if nearest else ""
            raise ValueError(
                f"{partner.product_types_file}: {product_type!r} is mapped to {text!r}, "
                f"which is not in the taxonomy{guess}; correct that row"
            )
        categories[canonical_path(product_type)] = category_id
    return categories


def read_partners(folder: UPath) -> list[PartnerSettings]:
    """All partners, in the order of their names; errors as `read_partner` raises them."""
    return [_settings(folder, partner_id, table) for partner_id, table in sorted(_tables(folder).items())]


def read_partner(folder: UPath, partner_id: str) -> PartnerSettings:
    """The partner's settings, from `partners.toml` in the folder and the CSV file that it may name.

    Raises `ValueError` naming the file to edit: no such file or partner, an unknown or wrong setting.
    """
    tables = _tables(folder)
    if partner_id not in tables:
        known = ", ".join(sorted(tables)) or "none"
        raise ValueError(
            f"unknown partner {partner_id!r}; known are {known}; "
            f"add [partners.{partner_id}] to {folder / PARTNERS_FILE}"
        )
    return _settings(folder, partner_id, tables[partner_id])


def _tables(folder: UPath) -> dict[str, Any]:
    path = folder / PARTNERS_FILE
    try:
        partners = tomllib.loads(_read_text(path, "write it with a table [partners.NAME] for each partner"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not TOML: {error}; correct it there") from error
    tables = partners.get("partners", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ValueError(f"{path}: 'partners' holds no tables; write [partners.NAME] for each partner")
    return tables


def _settings(folder: UPath, partner_id: str, table: dict[str, Any]) -> PartnerSettings:
    path = folder / PARTNERS_FILE
    if not _PARTNER_ID.fullmatch(partner_id):
        raise ValueError(f"{path}: partner {partner_id!r} has a bad name; use letters, digits, '_' and '-'")
    wrong = [name for name, value in table.items() if not isinstance(value, _KINDS.get(name, ()))]
    if wrong:
        raise ValueError(
            f"{path}: [partners.{partner_id}] has {wrong[0]} = {table[wrong[0]]!r}; "
            "it may have golden = true or false, product_types = 'FILE.csv', columns = 'FILE.csv', and feeds = ['URL']"
        )
    for url in table.get("feeds", []):
        if not isinstance(url, str) or "://" not in url:
            raise ValueError(
                f"{path}: [partners.{partner_id}] has the feed {url!r}; "
                "write a URL such as 'https://shop/feed.tsv', or drop the file into the inbox"
            )
    mapping = folder / table["product_types"] if "product_types" in table else None
    return PartnerSettings(
        partner_id=partner_id,
        golden=table.get("golden", False),
        product_types=_read_mapping(mapping, ("product_type", "category"), canonical_path) if mapping else {},
        product_types_file=str(mapping or path),
        feeds=tuple(table.get("feeds", [])),
        columns=_read_columns(folder / table["columns"]) if "columns" in table else {},
    )


def _read_text(path: UPath, way_out: str) -> str:
    if not path.is_file():
        raise ValueError(f"no file {str(path)!r}; {way_out}")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error


def _read_columns(path: UPath) -> dict[str, str]:
    """The rows of a CSV file with the header column,attribute: the partner's name of each attribute."""
    columns = _read_mapping(path, ("column", "attribute"), attribute_of)
    attributes: dict[str, str] = {}
    for column, attribute in columns.items():
        if attribute not in ATTRIBUTES:
            raise ValueError(f"{path}: {column!r} is mapped to {attribute!r}; attributes are {', '.join(ATTRIBUTES)}")
        if attribute in attributes:
            both = f"{attributes[attribute]!r} and {column!r}"
            raise ValueError(f"{path}: {both} are mapped to {attribute!r}; remove one of the rows")
        attributes[attribute] = column
    return columns


def _read_mapping(path: UPath, header: tuple[str, str], canonical: Callable[[str], str]) -> dict[str, str]:
    """The rows of a CSV file with this header; texts that are one in their canonical form may not be mapped twice."""
    setting = f"{header[0]}s"
    text = _read_text(path, f"write it with the header {','.join(header)}, or take {setting} out of the settings")
    rows = csv.reader(io.StringIO(text, newline=""))
    found = next(rows, [])
    if found != list(header):
        raise ValueError(f"{path}: the header is {','.join(found)!r}; make it {','.join(header)}")
    mapping: dict[str, str] = {}
    seen: dict[str, str] = {}
    for row in rows:
        if not row:
            continue
        if len(row) != 2:
            raise ValueError(f"{path}:{rows.line_num}: {len(row)} fields; put texts with a comma in quotes")
        key, value = row
        if seen.setdefault(canonical(key), value) != value:
            raise ValueError(f"{path}:{rows.line_num}: {key!r} is mapped twice; remove one of the rows")
        mapping[key] = value
    return mapping
