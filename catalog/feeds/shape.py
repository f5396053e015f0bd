"""The shape of an XML feed: which of its elements is a product, and which paths lead to the attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_STEP = re.compile(r"(@?[^\s/@\[\]=]+)(?:\[(@?[^\s/@\[\]=]+)=([^\[\]]+)\])?")


def folded(name: str) -> str:
    """Return the name of an element or attribute without namespace and prefix, in the form in which names compare.

    >>> folded("{http://base.google.com/ns/1.0}Image_Link"), folded("g:image_link")
    ('image_link', 'image_link')
    """
    return name.rpartition("}")[2].rpartition(":")[2].casefold()


@dataclass(frozen=True)
class Step:
    """One step of a path: an element or, with `@`, an XML attribute; maybe of a child or attribute of some value."""

    name: str
    key: str = ""
    value: str = ""


@dataclass(frozen=True)
class Shape:
    """A shape of XML feeds; names are folded.

    `root`: empty for any. `item`: the element of a product, after those around it. `categories`: empty for none.
    `attributes`: attribute -> its paths in the order in which they count; those of Google's shapes are Merchant
    Center's names. `currency`: that of prices that are mere numbers, a code of ISO 4217 or the paths to one.
    """

    name: str
    root: str
    item: tuple[str, ...]
    attributes: Mapping[str, tuple[tuple[Step, ...], ...]]
    categories: str = ""
    is_google: bool = False
    currency: tuple[tuple[Step, ...], ...] | str = ()

    def has_item(self, parents: Sequence[str], name: str) -> bool:
        """Return True for an element that is a product, given the elements around it from the root on."""
        if name != self.item[-1] or not parents or (self.root and parents[0] != self.root):
            return False
        outer = iter(parents)  # groups of products and elements that lost their end may stand between those around it
        return all(around in outer for around in self.item[:-1])


def parse_path(text: str) -> tuple[Step, ...]:
    """Return the steps of a path.

    >>> parse_path("PARAM[PARAM_NAME=Barva]/VAL")
    (Step(name='param', key='param_name', value='barva'), Step(name='val', key='', value=''))

    Raises:
        ValueError: It is no path.
    """
    steps: list[Step] = []
    at = 0
    while True:
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"{text!r} is no path")
        name, key, value = match.group(1, 2, 3)
        steps.append(Step(_folded_step(name), _folded_step(key or ""), (value or "").strip().casefold()))
        at = match.end()
        if at == len(text):
            break
        if text[at] != "/" or name.startswith("@"):
            raise ValueError(f"{text!r} is no path")
        at += 1
    return tuple(steps)


def _folded_step(name: str) -> str:
    return "@" + folded(name[1:]) if name.startswith("@") else folded(name)
