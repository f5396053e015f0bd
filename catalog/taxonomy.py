"""A taxonomy: the tree of categories that every product is placed in, read from Google's own text format."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import polars as pl
from upath import UPath

from catalog.categories import (
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
_MAX_GUESS_CHARACTERS = 300  # difflib's time grows with the square of the length; no real path is longer


class Taxonomy:
    """A tree of categories, each known by Google's integer id and by its path `A > B > C`.

    `other_names` are paths in other languages, in canonical form, that mean the same ids.
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
        """Reads `taxonomy-with-ids.*.txt`. Raises `TaxonomyError` naming the file, line and way out."""
        if not path.is_file():
            raise TaxonomyError(f"no taxonomy at {str(path)!r}; save {TAXONOMY_URL} there")
        return cls.parse(read_text(path), str(path))

    @classmethod
    def parse(cls, text: str, name: str) -> Taxonomy:
        """Parses lines `ID - A > B > C`, in any order; `name` is what errors call the text."""
        return cls(parse_categories(text, name), parse_version(text))

    def extended(self, text: str, name: str) -> Taxonomy:
        """This taxonomy with further categories below its own; `text` has the format of `parse`.

        Raises `TaxonomyError` naming the line and way out: an id or path that is known already, an unknown parent.
        """
        own = list(self._categories.values())
        return Taxonomy([*own, *parse_categories(text, name, above=own)], self.version, self._other_names)

    def also_named(self, variant: Taxonomy, name: str) -> Taxonomy:
        """This taxonomy, also found by the paths of one in another language; the ids of both mean the same.

        Raises `TaxonomyError` naming the ids where a path means two, or where this taxonomy lacks one.
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

    def path(self, category_id: int) -> str:
        """The names from the root to the category, `A > B > C`."""
        return self._category(category_id).path

    def name(self, category_id: int) -> str:
        """The category's own name, the last of its path."""
        return last_name(self.path(category_id))

    def lineage(self, category_id: int) -> tuple[int, ...]:
        """The ids from the root down to the category itself."""
        return self._category(category_id).lineage

    def is_leaf(self, category_id: int) -> bool:
        """Whether nothing lies below the category."""
        return self._category(category_id).id in self._leaves

    def leaves_below(self, category_id: int) -> tuple[int, ...]:
        """The leaves of the category's subtree, ascending; of a leaf, itself."""
        depth = len(self.lineage(category_id)) - 1
        lineages = ((leaf, self._categories[leaf].lineage) for leaf in self.leaves)
        return tuple(leaf for leaf, ids in lineages if len(ids) > depth and ids[depth] == category_id)

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
        """The path that looks most like a text, for error messages; None where nothing comes near.

        Where no category is called like the text's last name, it is the deepest one that the text lies below.
        """
        if text.strip().isdigit():
            return None  # ids that look alike have nothing in common
        wanted = canonical_path(text[:_MAX_GUESS_CHARACTERS])
        # Comparing with all whole paths takes a second, so the last names choose the few that are worth it.
        names = difflib.get_close_matches(last_name(wanted), self._keys_by_name, n=5, cutoff=0.75)
        keys = [key for name in names for key in self._keys_by_name[name]]
        if not keys:
            return self._deepest_known(wanted)
        best = max(keys, key=lambda key: difflib.SequenceMatcher(a=key, b=wanted, autojunk=False).ratio())
        return self.path(self._ids[best])

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the ids and paths, whatever the order, line ends and comments of the files."""
        lines = [f"{category_id} - {self.path(category_id)}\n" for category_id in self.ids]
        lines += [f"{category_id} - {key}\n" for key, category_id in sorted(self._other_names.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def table(self) -> pl.DataFrame:
        """One row a category: category_id, name, path, is_leaf, level_1 .. level_4; for joins."""
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
                "use the taxonomy that the product table was made with"
            ) from None
