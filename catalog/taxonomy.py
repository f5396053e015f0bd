"""A taxonomy: the tree of categories that every product is placed in, read from Google's own text format."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from upath import UPath

NUM_LEVELS = 4
SEPARATOR = " > "
TAXONOMY_URL = "https://www.google.com/basepages/producttype/taxonomy-with-ids.en-US.txt"

_LINE = re.compile(r"([0-9]{1,18}) - (.+)")
_ID = re.compile(r"[0-9]{1,18}")
_MAX_GUESS_CHARACTERS = 300  # difflib's time grows with the square of the length; no real path is longer


class TaxonomyError(ValueError):
    """A taxonomy that cannot be read, or a category that it lacks."""


@dataclass(frozen=True, slots=True)
class Category:
    """A node: `key` is its path in canonical form, `lineage` the ids from the root down to itself."""

    id: int
    path: str
    key: str
    lineage: tuple[int, ...]


class Taxonomy:
    """A tree of categories, each known by Google's integer id and by its path `A > B > C`."""

    def __init__(self, categories: Sequence[Category], version: str | None = None) -> None:
        self.version = version
        self._categories = {category.id: category for category in categories}
        self._ids = {category.key: category.id for category in categories}
        parents = {category.lineage[-2] for category in categories if len(category.lineage) > 1}
        self.leaves = tuple(sorted(self._categories.keys() - parents))
        self._keys_by_name: dict[str, list[str]] = {}
        for key in self._ids:
            self._keys_by_name.setdefault(_last(key), []).append(key)

    @classmethod
    def read(cls, path: UPath) -> Taxonomy:
        """Reads `taxonomy-with-ids.*.txt`. Raises `TaxonomyError` naming the file, line and way out."""
        if not path.is_file():
            raise TaxonomyError(f"no taxonomy at {str(path)!r}; save {TAXONOMY_URL} there")
        try:
            return cls.parse(path.read_bytes().decode("utf-8-sig"), str(path))
        except UnicodeDecodeError as error:
            raise TaxonomyError(
                f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
            ) from error

    @classmethod
    def parse(cls, text: str, name: str) -> Taxonomy:
        """Parses lines `ID - A > B > C`, in any order; `name` is what errors call the text."""
        lines = [line.strip() for line in text.removeprefix("\ufeff").split("\n")]
        return cls(_categories(lines, name), _version(lines[0]))

    def __contains__(self, category_id: object) -> bool:
        return category_id in self._categories

    def __len__(self) -> int:
        return len(self._categories)

    def path(self, category_id: int) -> str:
        """The names from the root to the category, `A > B > C`."""
        return self._category(category_id).path

    def name(self, category_id: int) -> str:
        """The category's own name, the last of its path."""
        return _last(self.path(category_id))

    def levels(self, category_id: int) -> tuple[int, int, int, int]:
        """The ids of levels 1 (root) to 4: a shorter path repeats its last node, a longer one is cut."""
        lineage = self._category(category_id).lineage
        one, two, three, four = (*lineage, *[category_id] * NUM_LEVELS)[:NUM_LEVELS]
        return one, two, three, four

    def resolve(self, text: str) -> int | None:
        """The category that a text names by id or by full path, in whatever case and spacing, or None."""
        text = text.strip()
        if _ID.fullmatch(text):
            return int(text) if int(text) in self._categories else None
        return self._ids.get(canonical_path(text))

    def nearest(self, text: str) -> str | None:
        """The path that looks most like a text, for error messages; None where nothing comes near."""
        if text.strip().isdigit():
            return None  # ids that look alike have nothing in common
        wanted = canonical_path(text[:_MAX_GUESS_CHARACTERS])
        # Comparing with all whole paths takes a second, so the last names choose the few that are worth it.
        names = difflib.get_close_matches(_last(wanted), self._keys_by_name, n=5, cutoff=0.75)
        keys = [key for name in names for key in self._keys_by_name[name]]
        if not keys:
            return None
        best = max(keys, key=lambda key: difflib.SequenceMatcher(a=key, b=wanted, autojunk=False).ratio())
        return self.path(self._ids[best])

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the ids and paths, whatever the order, line ends and comments of the file."""
        lines = (f"{category_id} - {self.path(category_id)}\n" for category_id in sorted(self._categories))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def table(self) -> pl.DataFrame:
        """One row a category: category_id, name, path, is_leaf, level_1 .. level_4; for joins."""
        ids = sorted(self._categories)
        leaves = set(self.leaves)
        levels = [self.levels(category_id) for category_id in ids]
        return pl.DataFrame(
            {
                "category_id": pl.Series(ids, dtype=pl.Int64),
                "name": [self.name(category_id) for category_id in ids],
                "path": [self.path(category_id) for category_id in ids],
                "is_leaf": [category_id in leaves for category_id in ids],
            }
            | {f"level_{n + 1}": pl.Series([row[n] for row in levels], dtype=pl.Int64) for n in range(NUM_LEVELS)}
        )

    def _category(self, category_id: int) -> Category:
        try:
            return self._categories[category_id]
        except KeyError:
            raise TaxonomyError(
                f"category {category_id} is not among the taxonomy's {len(self):,}; "
                "use the taxonomy that the product table was made with"
            ) from None


def canonical_path(text: str) -> str:
    """A category path as it is compared: one space around `>`, single spaces inside, no case."""
    return SEPARATOR.join(" ".join(part.split()) for part in text.split(">")).casefold()


def _last(path: str) -> str:
    return path.rpartition(SEPARATOR)[2]


def _version(first_line: str) -> str | None:
    return first_line.partition(":")[2].strip() or None if first_line.startswith("#") else None


def _categories(lines: Sequence[str], name: str) -> list[Category]:
    """The categories of the lines, parents before children. Raises `TaxonomyError` with the line's number."""
    found: dict[str, tuple[int, int, str]] = {}  # canonical path -> line number, id, path
    ids: dict[int, int] = {}  # id -> line number
    for number, line in enumerate(lines, start=1):
        if not line or line.startswith("#"):
            continue
        category_id, path = _parse_line(line, f"{name}:{number}")
        key = path.casefold()  # its spacing is canonical already
        if key in found:
            raise TaxonomyError(f"{name}:{number}: path {path!r} is on line {found[key][0]} already; remove one")
        if category_id in ids:
            raise TaxonomyError(f"{name}:{number}: id {category_id} is on line {ids[category_id]} already; remove one")
        found[key] = (number, category_id, path)
        ids[category_id] = number
    if not found:
        raise TaxonomyError(f"{name}: no category in it; save {TAXONOMY_URL} there")

    lineages: dict[str, tuple[int, ...]] = {"": ()}
    categories = []
    for key in sorted(found, key=lambda key: key.count(SEPARATOR)):
        number, category_id, path = found[key]
        parent = key.rpartition(SEPARATOR)[0]
        if parent not in lineages:
            missing = path.rpartition(SEPARATOR)[0]
            raise TaxonomyError(f"{name}:{number}: {path!r} has no parent; add a line for {missing!r}")
        lineages[key] = (*lineages[parent], category_id)
        categories.append(Category(category_id, path, key, lineages[key]))
    return categories


def _parse_line(line: str, place: str) -> tuple[int, str]:
    matched = _LINE.fullmatch(line)
    names = [" ".join(part.split()) for part in matched[2].split(">")] if matched else []
    if matched is None or not all(names):
        raise TaxonomyError(
            f"{place}: {line[:200]!r} is no category; write it as '166 - Apparel & Accessories > Shoes'"
        )
    return int(matched[1]), SEPARATOR.join(names)
