"""Spellings of categories: texts that name a category in another form than its id or path, and no other for certain.

A spelling only counts where exactly one category of the taxonomy, in whichever of its languages, can be meant.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from catalog.taxonomy.tree import Taxonomy

MAX_CHARACTERS = 2_000  # of a text; the longest path of Google's has 150
MAX_SEVERAL = 50  # categories in one text

_SEPARATOR = re.compile(r"\s*(?:[-=]+>|>+|::?|[/|\\»\u203a→⟩,;]|\s[-\u2013\u2014]\s)\s*")
_LINE = re.compile(r"([0-9]{1,18})\s*(?:[-\u2013\u2014:]|\s)\s*(\D.*)", re.DOTALL)
_WITH_ID = re.compile(r"(.*\S)\s*[(\[]([0-9]{1,18})[)\]]", re.DOTALL)
_FLOAT = re.compile(r"([0-9]{1,18})[.,]0+")
_BETWEEN = (r"[\r\n]+", r"\s*;\s*", r"\s*\|+\s*", r"\s*,\s*", r"\s*/\s*")
_ENDS = " \t\r\n>/|\\»\u203a→⟩,;:\"'"


@dataclass(frozen=True, slots=True)
class Spelling:
    """The category that a text names, and the kind of spelling.

    `kind`: `path` (the plain form), `line` (ID and path), `separator`, `ends` (a separator or quotes at an end), `name`
    (the end of one path only), `several` (all on one path, the deepest), `common` (several, the deepest above all),
    or `first` (several without anything in common).
    """

    category_id: int
    kind: str


class Spellings:
    """The spellings that the categories of a taxonomy have.

    `resolve` returns the category of an id or path, None for another text and for one that is in doubt.
    """

    def __init__(self, taxonomy: Taxonomy, resolve: Callable[[str], int | None]) -> None:
        self._taxonomy, self._resolve = taxonomy, resolve
        self._whole: dict[tuple[str, ...], int | None] = {}  # names -> category, None where it is several
        self._ends: dict[tuple[str, ...], int | None] = {}
        for key, category_id in taxonomy.names():
            names = _names(key)
            _put(self._whole, names, category_id)
            paths = key.split(" > ")
            for start in range(1, len(paths)):
                _put(self._ends, _names(" > ".join(paths[start:])), category_id)
        for names in self._whole.keys() & self._ends.keys():  # of a path in its plain form there is no doubt
            if self._whole[names] != self._ends[names]:
                self._whole[names] = self._ends[names] = None

    def find(self, text: str) -> Spelling | None:
        """Return the category that a text names; None where it names none, or may name two."""
        if len(text) > MAX_CHARACTERS:
            return None
        if (found := self._one(text)) is not None:
            return found
        names = _names(text)
        return None if names in self._whole or names in self._ends else self._several(text)

    def _one(self, text: str) -> Spelling | None:
        """Returns the category of a text that names one."""
        text = text.strip()
        if (category_id := self._resolve(number_text(text))) is not None:
            return Spelling(category_id, "path")
        if (line := _LINE.fullmatch(text)) is not None:
            return self._line(line[1], line[2])
        if (line := _WITH_ID.fullmatch(text)) is not None:
            return self._line(line[2], line[1])
        bare = text.strip(_ENDS)
        if bare != text and (category_id := self._resolve(bare)) is not None:
            return Spelling(category_id, "ends")
        names = _names(text)
        return _spelling(self._whole.get(names), "separator") or _spelling(self._ends.get(names), "name")

    def _line(self, number: str, path: str) -> Spelling | None:
        """Returns the category whose id and path a text has; of two that differ, neither is certain."""
        named = self._one(path) if not path.strip().isdecimal() else None
        if named is None or self._taxonomy.resolve(number) != named.category_id:
            return None
        return Spelling(named.category_id, "line")

    def _several(self, text: str) -> Spelling | None:
        """Returns the category of a text that names several, where each of them is certain."""
        for between in _BETWEEN:
            parts = [part for part in re.split(between, text.strip(_ENDS)) if part.strip()]
            if not 1 < len(parts) <= MAX_SEVERAL:
                continue
            found = map(self._one, parts)
            ids = [each.category_id for each in itertools.takewhile(lambda each: each is not None, found) if each]
            if len(ids) == len(parts):
                return self._of_several(ids)
        return None

    def _of_several(self, ids: Sequence[int]) -> Spelling:
        lineages = [self._taxonomy.lineage(category_id) for category_id in ids]
        deepest = max(lineages, key=len)
        if all(deepest[: len(lineage)] == lineage for lineage in lineages):
            return Spelling(deepest[-1], "several")
        equal = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*lineages, strict=False))
        common = [level[0] for level in equal]
        return Spelling(common[-1], "common") if common else Spelling(ids[0], "first")


def number_text(text: str) -> str:
    """Return an id that became a number, `187.0`, as the id; another text as it is."""
    number = _FLOAT.fullmatch(text.strip())
    return number[1] if number else text


def _names(text: str) -> tuple[str, ...]:
    """Returns the names of a path, separated by anything that separates names anywhere: `A, B > C` has three."""
    plain = unicodedata.normalize("NFC", " ".join(text.split()).casefold())
    return tuple(name for name in _SEPARATOR.split(plain) if name)


def _put(index: dict[tuple[str, ...], int | None], names: tuple[str, ...], category_id: int) -> None:
    if index.setdefault(names, category_id) != category_id:
        index[names] = None


def _spelling(category_id: int | None, kind: str) -> Spelling | None:
    return None if category_id is None else Spelling(category_id, kind)
