"""Taxonomy: the tree of categories of products, read from Google's text format."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import polars as pl
from upath import UPath

from catalog.taxonomy.parsing import (
    SEPARATOR,
    TAXONOMY_URL,
    Category,
    TaxonomyError,
    canonical_path,
    last_name,
    parse_categories,
    parse_version,
    read_text,
)

__all__ = ["NUM_LEVELS", "SEPARATOR", "TAXONOMY_URL", "Category", "Taxonomy", "TaxonomyError", "canonical_path"]

NUM_LEVELS = 4

_ID = re.compile(r"[0-9]{1,18}")
_MAX_GUESS_CHARACTERS = 300  # difflib's time is quadratic in the length; no real path is longer


class Taxonomy:
    """A tree of categories, each with Google's integer id and its path `A > B > C`.

    `other_names` maps paths in other languages, in canonical form, to the same ids.
    """

    def __init__(
        self,
        categories: Sequence[Category],
        version: str | None = None,
        other_names: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.version = version
        self._categories = {category.id: category for category in categories}
        self._ids = {**other_names, **{category.key: category.id for category in categories}}
        self._other_names = dict(other_names)
        self.ids = tuple(sorted(self._categories))
        parents = {category.lineage[-2] for category in categories if len(category.lineage) > 1}
        self._leaves = self._categories.keys() - parents
        self.leaves = tuple(sorted(self._leaves))
        self._keys_by_name: dict[str, list[str]] = {}
        for key in self._ids:
            self._keys_by_name.setdefault(last_name(key), []).append(key)

    @classmethod
    def read(cls, path: UPath) -> Taxonomy:
        """Reads `taxonomy-with-ids.*.txt`; raises `TaxonomyError` with the file, line and way out."""
        if not path.is_file():
            raise TaxonomyError(f"no taxonomy at {str(path)!r}; save {TAXONOMY_URL} there")
        return cls.parse(read_text(path), str(path))

    @classmethod
    def parse(cls, text: str, name: str) -> Taxonomy:
        """Parses lines `ID - A > B > C`, in any order; `name` stands for the text in errors."""
        return cls(parse_categories(text, name), parse_version(text))

    def extended(self, text: str, name: str) -> Taxonomy:
        """Returns this taxonomy with further categories below its own; `text` has the format of `parse`.

        Raises:
            TaxonomyError: an id or path exists already, or a parent is unknown; the message names line and way out.
        """
        own = list(self._categories.values())
        return Taxonomy([*own, *parse_categories(text, name, above=own)], self.version, self._other_names)

    def with_language(self, variant: Taxonomy, name: str) -> Taxonomy:
        """Returns this taxonomy with the paths of the same version in another language as further names.

        Raises:
            TaxonomyError: a path has two ids, or this taxonomy lacks one; the message names the ids.
        """
        other_names = dict(self._other_names)
        for category in variant._categories.values():
            if category.id not in self:
                raise TaxonomyError(
                    f"{name}: {category.path!r} is category {category.id}, which the taxonomy lacks; "
                    "save both files in the same version"
                )
            known = self._ids.get(category.key, category.id)
            if known != category.id:
                raise TaxonomyError(
                    f"{name}: path {category.path!r} is category {category.id} there and {known} "
                    f"({self.path(known)!r}) already; remove it from one of the files"
                )
            if self._categories[category.id].key != category.key:
                other_names[category.key] = category.id
        return Taxonomy(list(self._categories.values()), self.version, other_names)

    def __contains__(self, category_id: object) -> bool:
        return category_id in self._categories

    def __len__(self) -> int:
        return len(self._categories)

    def names(self) -> list[tuple[str, int]]:
        """Returns the paths of all categories, in canonical form and in every language, each with its id."""
        return list(self._ids.items())

    def path(self, category_id: int) -> str:
        """Returns the names from the root to the category, `A > B > C`."""
        return self._category(category_id).path

    def name(self, category_id: int) -> str:
        """Returns the category's own name, the last of its path."""
        return last_name(self.path(category_id))

    def lineage(self, category_id: int) -> tuple[int, ...]:
        """Returns the ids from the root down to the category itself."""
        return self._category(category_id).lineage

    def is_leaf(self, category_id: int) -> bool:
        """True where no category is below it."""
        return self._category(category_id).id in self._leaves

    def leaves_below(self, category_id: int) -> tuple[int, ...]:
        """Returns the leaves of the category's subtree, ascending; a leaf's own id."""
        depth = len(self.lineage(category_id)) - 1
        lineages = ((leaf, self._categories[leaf].lineage) for leaf in self.leaves)
        return tuple(leaf for leaf, ids in lineages if len(ids) > depth and ids[depth] == category_id)

    def levels(self, category_id: int) -> tuple[int, int, int, int]:
        """Returns the ids of levels 1 (root) to 4: a shorter path repeats its last node, a longer one is cut."""
        lineage = self._category(category_id).lineage
        one, two, three, four = (*lineage, *[category_id] * NUM_LEVELS)[:NUM_LEVELS]
        return one, two, three, four

    def resolve(self, text: str) -> int | None:
        """Returns the category that a text names by id or by full path, ignoring case and spacing, or None."""
        text = text.strip()
        if _ID.fullmatch(text):
            return int(text) if int(text) in self._categories else None
        return self._ids.get(canonical_path(text))

    def nearest(self, text: str) -> str | None:
        """Returns the path most similar to a text, for error messages; None where none is similar.

        Where no category's name is similar to the text's last name, it is the deepest existing ancestor of the text.
        """
        if text.strip().isdigit():
            return None  # similar ids are unrelated
        wanted = canonical_path(text[:_MAX_GUESS_CHARACTERS])
        # Comparing with all full paths takes a second, so the last names preselect a few.
        names = difflib.get_close_matches(last_name(wanted), self._keys_by_name, n=5, cutoff=0.75)
        keys = [key for name in names for key in self._keys_by_name[name]]
        if not keys:
            return self._deepest_known(wanted)
        best = max(keys, key=lambda key: difflib.SequenceMatcher(a=key, b=wanted, autojunk=False).ratio())
        return self.path(self._ids[best])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the ids and paths, independent of order, line ends and comments of the files."""
        lines = [f"{category_id} - {self.path(category_id)}\n" for category_id in self.ids]
        lines += [f"{category_id} - {key}\n" for key, category_id in sorted(self._other_names.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def table(self) -> pl.DataFrame:
        """Returns one row per category: category_id, name, path, is_leaf, level_1 .. level_4."""
        ids = list(self.ids)
        levels = [self.levels(category_id) for category_id in ids]
        return pl.DataFrame(
            {
                "category_id": pl.Series(ids, dtype=pl.Int64),
                "name": [self.name(category_id) for category_id in ids],
                "path": [self.path(category_id) for category_id in ids],
                "is_leaf": [category_id in self._leaves for category_id in ids],
            }
            | {f"level_{n + 1}": pl.Series([row[n] for row in levels], dtype=pl.Int64) for n in range(NUM_LEVELS)}
        )

    def _deepest_known(self, key: str) -> str | None:
        while key := key.rpartition(SEPARATOR)[0]:
            if key in self._ids:
                return self.path(self._ids[key])
        return None

    def _category(self, category_id: int) -> Category:
        try:
            return self._categories[category_id]
        except KeyError:
            raise TaxonomyError(
                f"category {category_id} is not among the taxonomy's {len(self):,}; "
                "use the taxonomy that the table products was written with"
            ) from None
