"""Tags in the text of an XML document: found one by one, also where the document is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from catalog.feeds.xml_limits import XmlLimits

MAX_SIBLINGS = 100  # products within an element of a product that are looked over for its end
MAX_AHEAD_BYTES = 1_000_000  # of them

NAME = re.compile(rb"<(/?)([A-Za-z_:\x80-\xff][^\s<>/=\"']*)")
# A quotation mark that has no end belongs to the text. All repetitions are possessive, so that none is tried again.
_INSIDE = rb"(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+'|[\"'])*+"
TAG = re.compile(rb"<(/?)([A-Za-z_:\x80-\xff][^\s<>/=\"']*)(" + _INSIDE + rb")>")
ATTRIBUTE = re.compile(rb"([^\s=\"'<>/]+)\s*=\s*(?:\"([^\"<]*)\"|'([^'<]*)')")
_SECTION_OR_TAG = re.compile(rb"<(?:!--|!\[CDATA\[|\?|/?[A-Za-z_:\x80-\xff])")
_SECTION_ENDS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag: its name, whether it is an end tag or an empty element's, and its place in the text."""

    name: bytes
    is_end: bool
    is_empty: bool
    start: int
    end: int


@dataclass(frozen=True)
class Boundaries:
    """The expressions that find the tags of a product."""

    tag: bytes
    end_start: bytes  # </item
    end: re.Pattern[bytes]  # </item>
    any: re.Pattern[bytes]  # its tags and whatever may hide them
    begin: re.Pattern[bytes]  # <item
    max_bytes: int  # of what is found

    @classmethod
    def of(cls, tag: bytes) -> Boundaries:
        """Return the boundaries of products of a tag."""
        return _boundaries(tag)

    def has_special(self, data: bytes, start: int, end: int) -> bool:
        """Return True if there may be a comment, CDATA, an instruction or a product between two positions."""
        return (
            data.find(b"<!", start, end) >= 0
            or data.find(b"<?", start, end) >= 0
            or data.find(b"<" + self.tag, start, end) >= 0
        )


@lru_cache(maxsize=64)
def _boundaries(tag: bytes) -> Boundaries:
    name = re.escape(tag)
    end = rb"</" + name + rb"\s*+>"
    begin = rb"<" + name + rb"(?=[\s/>])"
    return Boundaries(
        tag=tag,
        end_start=b"</" + tag,
        end=re.compile(end),
        any=re.compile(end + rb"|" + begin + rb"|<!--|<!\[CDATA\[|<\?"),
        begin=re.compile(begin),
        max_bytes=len(tag) + 1_000,
    )


def tags(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Tag]:
    """Yield the tags of a text, without those in comments and CDATA; a section without end is read as text."""
    end = len(data) if end is None else end
    unended: set[bytes] = set()
    position = start
    while found := _SECTION_OR_TAG.search(data, position, end):
        opener = found[0]
        if opener in _SECTION_ENDS:
            close = -1 if opener in unended else data.find(_SECTION_ENDS[opener], found.end(), end)
            if close < 0:
                unended.add(opener)
            position = found.end() if close < 0 else close + len(_SECTION_ENDS[opener])
            continue
        tag = TAG.match(data, found.start(), end)
        if tag is None:
            position = found.end()
            continue
        position = tag.end()
        yield Tag(tag[2], bool(tag[1]), tag[3].endswith(b"/"), tag.start(), tag.end())


def num_steps_deep(content: bytes, limits: XmlLimits) -> int:
    """Return how deeply elements are nested in a product that may be broken; its names are counted as well."""
    depth = deepest = 0
    for tag in tags(content):
        limits.meet(tag.name)
        if tag.is_end:
            depth = max(0, depth - 1)
        elif not tag.is_empty:
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def is_nested(data: bytes, start: int, position: int, boundaries: Boundaries) -> int:
    """Return the end of an element of the products' name that is inside of a product; -1 where it is the next product.

    It is inside where the element around it ends after it, and it is the next one where another product follows or the
    list of products ends: then the product before it has lost its end tag.

    Args:
        data: The text.
        start: Where the product begins.
        position: Where the element begins.
    """
    if (tag := TAG.match(data, position)) is None:
        return -1
    if tag[3].endswith(b"/"):
        return tag.end() if _innermost(data, start, position) else -1
    around = _innermost(data, start, position)
    depth = num_siblings = first_end = 0
    for each in tags(data, position, min(len(data), position + MAX_AHEAD_BYTES)):
        if each.name == boundaries.tag and not each.is_empty and (depth or not each.is_end):
            depth += -1 if each.is_end else 1
            num_siblings += not each.is_end
            first_end = first_end or (each.end if not depth else 0)
            if num_siblings > MAX_SIBLINGS:
                return -1
        elif not depth and each.name != boundaries.tag:
            return first_end if not each.is_end or each.name == around else -1
        elif not depth and each.is_end:  # of the product itself
            return first_end if around == boundaries.tag else -1
    return -1


def _innermost(data: bytes, start: int, position: int) -> bytes:
    """Returns the name of the innermost element that is open at a position."""
    names: list[bytes] = []
    for tag in tags(data, start, position):
        if tag.is_end:
            if tag.name in names[-20:]:
                while names.pop() != tag.name:
                    pass
        elif not tag.is_empty:
            names.append(tag.name)
    return names[-1] if names else b""
