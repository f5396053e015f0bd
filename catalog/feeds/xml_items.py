"""The products of an XML document as pieces of its text: cut at their tags, and parsed by nobody yet.

A product's end inside a comment or CDATA is none. Only what stands around products is read here: the root, the
elements that hold products, namespaces and the names of categories. A document that ends before its root does was cut
off, and is refused; whatever else is wrong costs one product or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from catalog.feeds.feed import FeedError
from catalog.feeds.shape import Shape, folded
from catalog.feeds.xml_buffer import OPENER, XmlBuffer
from catalog.feeds.xml_categories import Categories
from catalog.feeds.xml_item_ends import ItemEnds, RawItem
from catalog.feeds.xml_limits import XmlLimits
from catalog.feeds.xml_tags import ATTRIBUTE

_DOCTYPE = re.compile(rb"<!doctype(?:[^\[\"'<>]++|\"[^\"]*+\"|'[^']*+')*+([\[>]?)", re.IGNORECASE)
_NO_URI = re.compile(rb"[\0-\x20<>&\"']")
_DECLARATION = re.compile(rb"<\?xml\s", re.IGNORECASE)


@dataclass(slots=True)
class _Open:
    """An element around products: its name as written and folded, and the namespaces that it declares."""

    tag: bytes
    name: str
    has_items: bool = False
    namespaces: dict[bytes, bytes] = field(default_factory=dict)


class XmlItems:
    """Cuts a document into its products.

    Args:
        blocks: The document in UTF-8.
        name: The feed's name in messages.
        shapes: Those that tell which elements are products.
    """

    def __init__(self, blocks: Iterator[bytes], name: str, shapes: tuple[Shape, ...]) -> None:
        self.limits = XmlLimits(name)
        self.categories = Categories()
        self.namespaces: dict[bytes, bytes] = {}  # prefix -> URI, of the elements around products
        self.root = ""  # of the document that is being read
        self._buffer = XmlBuffer(blocks, self.limits)
        self._ends = ItemEnds(self._buffer, self.limits)
        self._name, self._shapes = name, shapes
        self._roots = {shape.root for shape in shapes if shape.root}
        self._category_names = {shape.categories for shape in shapes if shape.categories}
        self._stack: list[_Open] = []
        self._parents: list[str] = []  # of the last product
        self._num_items = self._num_unended = 0

    def __iter__(self) -> Iterator[RawItem]:
        """Yield the products.

        Raises:
            FeedError: The document is cut off, declares entities, has none of the known elements, or exceeds a limit.
        """
        while self._buffer.find(b"<"):
            item = self._markup()
            if item is not None:
                yield item
            self._buffer.forget()
        if not self._buffer.num_bytes:
            raise FeedError(f"{self._name}: the file is empty; deliver it again, with its products")
        if not self._num_items and self.root not in self._roots:
            self._refuse_root()
        if self._stack and (not self._num_items or self._is_document()):
            line = self._buffer.line_at(self._buffer.at)
            raise self.limits.cut_off(f"<{_shown(self._stack[-1].tag)}>", line)

    def _is_document(self) -> bool:
        """Returns True if the open elements are those of a feed, and no remains of a page or a script's message."""
        return self._stack[0].has_items or any(each.name in self._roots for each in self._stack)

    # what stands around products

    def _markup(self) -> RawItem | None:
        """Reads the markup at `<`, and returns the product if it is one."""
        self._buffer.load(self._buffer.at, 16)
        start = self._buffer.at
        opener = OPENER.match(self._buffer.data, start)
        if opener:
            end = self._buffer.end_of(opener[0], opener.end())
            if end < 0:
                raise self.limits.cut_off("a comment or CDATA", self._buffer.line_at(start))
            is_declaration = _DECLARATION.match(self._buffer.data, start)
            if is_declaration and not any(each.name in self._roots for each in self._stack):
                self._open_none()
            self._buffer.at = end
            return None
        if self._buffer.data[start : start + 2] == b"<!":
            self._doctype(start)
            return None
        return self._tag(start)

    def _doctype(self, start: int) -> None:
        match = _DOCTYPE.match(self._buffer.data, start)
        while match and match.end() == len(self._buffer.data) and not match[1] and self._buffer.more():
            self.limits.refuse_tag(len(self._buffer.data) - start)
            match = _DOCTYPE.match(self._buffer.data, start)
        if match and match[1] == b"[":
            raise FeedError(
                f"{self._name}: it declares a document type with entities or other declarations of its own, which "
                "feeds do without; remove the DOCTYPE"
            )
        self._buffer.at = match.end() if match else start + 2

    def _tag(self, start: int) -> RawItem | None:
        """Reads a tag, whose name and end may be of the next blocks."""
        name, match = self._buffer.tag()
        if name is None:
            self._buffer.at = start + 1
            return None
        is_end, tag = bool(name[1]), name[2]
        local = folded(tag.decode("utf-8", "replace"))
        if is_end:
            if match is not None:
                self._close(tag)
            self._buffer.at = match.end() if match else name.end()
            return None
        self.limits.meet(tag)
        # Products after the root's end, of a file that was put together of two, are delivered as well.
        parents = [each.name for each in self._stack] or self._parents
        shapes = tuple(shape.name for shape in self._shapes if shape.has_item(parents, local))
        if shapes:
            item = self._item(start, tag, match[0] if match else b"")
            item.shapes = shapes
            return item
        if match is None:
            self._buffer.at = name.end()
            return None
        self._open(tag, local, match)
        return None

    def _open(self, tag: bytes, local: str, match: re.Match[bytes]) -> None:
        if local in self._roots and not any(each.name in self._roots for each in self._stack):
            self._open_none()  # what stands before the document, such as the warning of a script, is no part of it
        if not self._stack:
            self.root = local
        element = _Open(tag, local)
        attributes: dict[bytes, bytes] = {}
        for key, double, single in ATTRIBUTE.findall(match[0], len(tag) + 1):
            self.limits.meet(key)
            attributes[key] = value = double or single
            if (key == b"xmlns" or key.startswith(b"xmlns:")) and _can_be_declared(key[6:], value):
                element.namespaces[key[6:]] = value
        self._buffer.at = match.end()
        if match[0].endswith(b"/>"):
            return
        if local in self._category_names:
            self._category(attributes)
        self._stack.append(element)
        self.limits.refuse_depth(len(self._stack))
        self._bind()

    def _category(self, attributes: dict[bytes, bytes]) -> None:
        """Keeps the name of a category; its end tag is read later, as any other."""
        self._buffer.load(self._buffer.at, 4_096)
        self.categories.add(attributes, self._buffer.data[self._buffer.at : self._buffer.at + 4_096])

    def _close(self, tag: bytes) -> None:
        positions = [number for number, each in enumerate(self._stack) if each.tag == tag]
        if positions:
            del self._stack[positions[-1] :]
            self._bind()

    def _open_none(self) -> None:
        self._stack = []
        self._bind()

    def _bind(self) -> None:
        self.namespaces = {prefix: uri for each in self._stack for prefix, uri in each.namespaces.items()}

    def _item(self, start: int, tag: bytes, start_tag: bytes) -> RawItem:
        self._parents = [each.name for each in self._stack] or self._parents
        if self._stack:
            self._stack[0].has_items = True
        item = self._ends.item(start, tag, start_tag, [each.tag for each in self._stack])
        self._num_items += 1
        self._num_unended = self._num_unended + 1 if item.fault else 0
        if self._num_unended > 1:  # products in products, each of which lacks its end
            self.limits.refuse_depth(self._num_unended + len(self._stack))
        return item

    def _refuse_root(self) -> None:
        if not self.root:
            raise FeedError(
                f"{self._name}: broken XML (it has no element); no row is parsed; deliver it again, whole and "
                "well-formed"
            )
        known = ", ".join(f"<{root}>" for root in sorted(self._roots))
        raise FeedError(
            f"{self._name}: the root is <{self.root[:50]}>, not <rss> or <feed>, and no product in it is of a known "
            f"shape; known are {known} and <products>; deliver RSS 2.0, or describe its elements in feed_shapes.toml "
            "beside partners.toml"
        )


def _can_be_declared(prefix: bytes, uri: bytes) -> bool:
    """Returns False for a namespace that is not well-formed; its prefix counts as not declared."""
    return not (
        prefix in (b"xml", b"xmlns")
        or (prefix and not uri)
        or not uri.isascii()
        or _NO_URI.search(uri)
        or uri.startswith((b"http://www.w3.org/XML/1998/namespace", b"http://www.w3.org/2000/xmlns"))
    )


def _shown(tag: bytes) -> str:
    return tag[:50].decode("utf-8", "replace")
