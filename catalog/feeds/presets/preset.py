"""A preset: the names under which a system exports products, and the way in which its rows become products."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.feeds.feed import MAX_ROW_BYTES, attribute_of

# A row as it came, by `plain_name`; a product, by Merchant Center's attribute. Empty texts may be left out.
Row = Mapping[str, str]
Product = dict[str, str]

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# The options of variants that are attributes of Merchant Center, in the languages of shops.
OPTION_WORDS: Mapping[str, str] = {
    "colour": "color",  # codespell:ignore colour
    **dict.fromkeys(("color", "farbe", "couleur", "colore", "kleur", "kolor", "barva"), "color"),
    **dict.fromkeys(("size", "größe", "groesse", "grösse", "taille", "talla", "taglia", "maat", "rozmiar"), "size"),
    **dict.fromkeys(("material", "matière", "materiale", "materiaal"), "material"),
    **dict.fromkeys(("pattern", "muster", "motif"), "pattern"),
    **dict.fromkeys(("gender", "geschlecht", "genre"), "gender"),
}


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """Rows of an export that make no product: their start, the reason and the detail."""

    raw: str
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A system's export, which is recognized by the names in its header.

    `signatures`: sets of names of which one is there as a whole, in the form of `plain_name`.
    `columns`: names in that form -> Merchant Center's attributes.
    `merged`: makes products of rows, where a product takes several; else a row is a product.
    `expanded`: makes products of a JSON object, where it holds several.
    """

    name: str
    title: str
    signatures: Sequence[frozenset[str]]
    columns: Mapping[str, str] = field(default_factory=dict)
    merged: Callable[[Iterator[Row]], Iterator[Product | RefusedRows]] | None = None
    expanded: Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]] | None = None

    def fits(self, names: frozenset[str]) -> bool:
        """Returns whether a header with these names is of this system."""
        return any(signature <= names for signature in self.signatures)


def plain_name(name: str) -> str:
    """Return a name in the form of `attribute_of`, also for `imageLink`, which is `image_link`."""
    return attribute_of(_CAPITAL.sub("_", name))


def options_of(pairs: Iterator[tuple[str, str]]) -> Product:
    """Return the attributes that a variant's options are, of pairs of an option's name and value."""
    found: Product = {}
    for name, value in pairs:
        attribute = OPTION_WORDS.get(name.strip().casefold())
        if attribute is not None and value.strip():
            found.setdefault(attribute, value.strip())
    return found


def size_of(row: Row) -> int:
    """Return the number of characters of a row."""
    return sum(map(len, row.values()))


def first_of(row: Row, *names: str) -> str:
    """Return the first text that is not empty among the names of a row, without space around it."""
    return next((text for name in names if (text := row.get(name, "").strip())), "")


MAX_KEPT_CHARACTERS = 4 * MAX_ROW_BYTES  # of the rows that a preset keeps until their product is complete
