"""Tags in the text of an XML document: found one by one, also where the document is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from catalog.feeds.xml_limits import MAX_DEPTH, XmlLimits

MAX_SIBLINGS = 20  # products within an element of a product that are looked over for its end
MAX_AHEAD_BYTES = 1_000_000  # of them
MIN_AHEAD_BYTES = 500  # also where a document has had its share
AHEAD_FACTOR = 2  # bytes that are looked over for each byte of products

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


def count_tags(content: bytes, limits: XmlLimits, depth: int) -> None:
    """Count the names and the depth of a text that begins at some depth; raises `FeedError` beyond the limits."""
    for tag in tags(content):
        limits.meet(tag.name)
        depth += -1 if tag.is_end else not tag.is_empty
        limits.refuse_depth(depth)


class AheadBudget:
    """Bounds the bytes that are looked over for the ends of products by those that products have.

    Products that lack their ends, each with the same megabyte behind it, would be looked over once for each of them.
    """

    def __init__(self) -> None:
        self._left = MAX_AHEAD_BYTES

    def earn(self, num_bytes: int) -> None:
        """Counts the bytes of a product that was cut."""
        self._left += AHEAD_FACTOR * num_bytes

    def spend(self, num_bytes: int) -> None:
        """Counts bytes that were looked over."""
        self._left -= num_bytes

    def max_bytes(self) -> int:
        """Returns the bytes that may be looked over for the next end."""
        return max(MIN_AHEAD_BYTES, min(MAX_AHEAD_BYTES, self._left))


class Nesting:
    """Tells elements of the products' name inside of a product from the next product.

    One is inside where the element around it ends after it. It is the next product where another product follows, or
    the list of products ends: then the product before it has lost its end tag.

    Args:
        start: Where the product begins.
        boundaries: Those of products.
        budget: The document's.
    """

    def __init__(self, start: int, boundaries: Boundaries, budget: AheadBudget) -> None:
        self._boundaries, self._budget = boundaries, budget
        self._position = start  # up to which the product's tags were counted
        self._open: list[bytes] = []  # names of elements

    def end(self, data: bytes, position: int) -> int:
        """Return the end of an element inside of the product, or of several on end; -1 where it is the next product.

        Args:
            data: The text.
            position: Where the element begins, behind those of former calls.
        """
        around = self._innermost(data, position)
        depth = num_others = num_siblings = last_end = 0
        end, read_to = -1, position
        for tag in tags(data, position, min(len(data), position + self._budget.max_bytes())):
            read_to = tag.end
            step = 0 if tag.is_empty else -1 if tag.is_end else 1
            is_product = tag.name == self._boundaries.tag
            if depth:
                depth += step if is_product else 0
            elif tag.is_end and not num_others:
                end = last_end if tag.name == around else -1
                break
            elif is_product:
                depth += max(step, 0)
                num_siblings += 1
            else:
                num_others += step  # between the products and the end of what is around them
            last_end = tag.end if is_product and not depth else last_end
            if num_siblings > MAX_SIBLINGS or depth > MAX_DEPTH:
                break
        self._budget.spend(read_to - position)
        self._position = max(position, end)
        return end

    def _innermost(self, data: bytes, position: int) -> bytes:
        """Returns the name of the innermost element that is open at a position."""
        for tag in tags(data, self._position, position):
            if tag.is_end:
                if tag.name in self._open[-MAX_DEPTH:]:
                    while self._open.pop() != tag.name:
                        pass
            elif not tag.is_empty:
                self._open.append(tag.name)
        return self._open[-1] if self._open else b""
