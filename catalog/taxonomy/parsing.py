"""Parsing of Google's taxonomy format: one category per line, `ID - A > B > C`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from upath import UPath

SEPARATOR = " > "
TAXONOMY_URL = "https://www.google.com/basepages/producttype/taxonomy-with-ids.en-US.txt"
FIRST_FREE_ID = 1_000_000  # Google's ids end at 543,703 (version 2021-09-21)

_LINE = re.compile(r"([0-9]{1,18}) - (.+)")


class TaxonomyError(ValueError):
    """An unreadable taxonomy, or a category that it lacks."""


@dataclass(frozen=True, slots=True)
class Category:
    """A category: `key` is its path in canonical form, `lineage` the ids from the root down to itself."""

    id: int
    path: str
    key: str
    lineage: tuple[int, ...]


def read_text(path: UPath) -> str:
    """Reads a text file; raises `TaxonomyError` with the file's name where it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TaxonomyError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error


def canonical_path(text: str) -> str:
    """Normalizes a category path for comparison: one space around `>`, single spaces, composed letters, no case."""
    return _key(SEPARATOR.join(" ".join(part.split()) for part in text.split(">")))


def last_name(path: str) -> str:
    """Returns the last name of a path, the category's own."""
    return path.rpartition(SEPARATOR)[2]


def parse_version(text: str) -> str | None:
    """Returns the version in the first line of a taxonomy file, `# Google_Product_Taxonomy_Version: 2021-09-21`."""
    first_line = _lines(text)[0]
    return first_line.partition(":")[2].strip() or None if first_line.startswith("#") else None


def parse_categories(text: str, name: str, above: Sequence[Category] = ()) -> list[Category]:
    """Parses the categories of a file, whose lines may have any order, and returns parents before children.

    Args:
        text: content of the file.
        name: name of the file in errors.
        above: categories of another file, below which all of these must be.

    Raises:
        TaxonomyError: a line is invalid; the message has its number and the way out.
    """
    paths = {category.id: category.path for category in above}
    lineages: dict[str, tuple[int, ...]] = {category.key: category.lineage for category in above}
    found: dict[str, tuple[int, int, str]] = {}  # canonical path -> line number, id, path
    ids: dict[int, int] = {}  # id -> line number
    for number, line in enumerate(_lines(text), start=1):
        if not line or line.startswith("#"):
            continue
        location = f"{name}:{number}"
        category_id, path = _parse_line(line, location)
        key = _key(path)  # its spacing is canonical already
        if key in found:
            raise TaxonomyError(f"{location}: path {path!r} is on line {found[key][0]} already; remove one")
        if category_id in ids:
            raise TaxonomyError(f"{location}: id {category_id} is on line {ids[category_id]} already; remove one")
        if category_id in paths:
            raise TaxonomyError(
                f"{location}: id {category_id} is {paths[category_id]!r} already; take an id from {FIRST_FREE_ID} up"
            )
        if key in lineages:
            raise TaxonomyError(f"{location}: path {path!r} is category {lineages[key][-1]} already; remove the line")
        found[key] = (number, category_id, path)
        ids[category_id] = number
    if not found and not above:
        raise TaxonomyError(f"{name}: no category in it; save {TAXONOMY_URL} there")

    categories = []
    for key in sorted(found, key=lambda key: key.count(SEPARATOR)):
        number, category_id, path = found[key]
        parent = path.rpartition(SEPARATOR)[0]
        if above and not parent:
            raise TaxonomyError(
                f"{name}:{number}: {path!r} is a root; write it below a category, as '{above[0].path} > {path}'"
            )
        if parent and _key(parent) not in lineages:
            raise TaxonomyError(f"{name}:{number}: {path!r} has no parent; add a line for {parent!r}")
        lineages[key] = (*(lineages[_key(parent)] if parent else ()), category_id)
        categories.append(Category(category_id, path, key, lineages[key]))
    return categories


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.removeprefix("\ufeff").split("\n")]


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())


def _parse_line(line: str, location: str) -> tuple[int, str]:
    matched = _LINE.fullmatch(line)
    names = [" ".join(part.split()) for part in matched[2].split(">")] if matched else []
    if matched is None or not all(names):
        raise TaxonomyError(
            f"{location}: {line[:200]!r} is not a category; write it as '166 - Apparel & Accessories > Shoes'"
        )
    return int(matched[1]), SEPARATOR.join(names)
