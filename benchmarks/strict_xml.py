"""The peer of `xml_feeds`: a strict reader of RSS and Atom with Python's XMLParser, which refuses a feed for one fault.

It is what shelfsight read XML with before it had a recovering reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.feed import ATTRIBUTES, MAX_FIELD_BYTES, MAX_ROW_BYTES, REPEATED, FeedBatch, FeedError
from catalog.feeds.xml_limits import MAX_DEPTH, MAX_NAME_CHARACTERS, MAX_NAMES, MAX_TAG_BYTES

PRODUCT_OF_ROOT = {"rss": "item", "feed": "entry"}

NAMESPACES = ("{http://base.google.com/ns/1.0}", "", "{http://www.w3.org/2005/Atom}")

_CHUNK_BYTES = 1 << 16


def read_strictly(source: BinaryIO, name: str) -> Iterator[FeedBatch]:
    """Yield the batches of an RSS or Atom feed; raises `FeedError` as `xml_products` does."""
    builder = BatchBuilder(name)
    tags = [[namespace + attribute for namespace in NAMESPACES] for attribute in ATTRIBUTES]
    for product in xml_products(source, name):
        texts = (next(filter(None, map(product.texts.get, each)), None) for each in tags)
        builder.add([text.encode("utf-8") if text else None for text in texts])
        if builder.is_full:
            yield builder.batch()
    yield builder.last_batch()


@dataclass(slots=True)
class XmlProduct:
    """The texts of a product's elements by tag, `{NAMESPACE}NAME`; of repeated ones the first counts.

    Of `additional_image_link` all count, joined by commas. Of one of more than `MAX_ROW_BYTES` only the first texts.
    """

    texts: dict[str, str] = field(default_factory=dict)
    num_bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Returns False for a product with more than `MAX_ROW_BYTES` of names and texts."""
        return self.num_bytes <= MAX_ROW_BYTES


def xml_products(source: BinaryIO, name: str) -> Iterator[XmlProduct]:
    """Yield the products of an RSS or Atom feed.

    Raises:
        FeedError: The XML is broken anywhere, is neither RSS nor Atom, has elements nested too deeply or too many
            names, or declares a document type, which feeds do without and entity bombs and references to outside files
            need.
    """
    target = _Products(name)
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    is_empty = True
    while chunk := source.read(_CHUNK_BYTES):
        is_empty = False
        with _refusals(name):
            parser.feed(chunk)
        target.count(len(chunk))
        yield from target.finished()
    if is_empty:
        raise FeedError(f"{name}: the file is empty; deliver it again, as RSS 2.0 or Atom")
    with _refusals(name):
        parser.close()


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Raises the parser's errors as refusals of the file."""
    try:
        yield
    except FeedError:
        raise
    except DefusedXmlException as error:
        raise FeedError(f"{name}: it declares a document type, which feeds do without; remove the DOCTYPE") from error
    except (ParseError, ValueError, LookupError) as error:  # the latter two: encodings that the parser lacks
        message = f"{name}: broken XML ({error}); no row is parsed; deliver it again, whole and well-formed"
        raise FeedError(message) from error


class _Products:
    """The parser's target, which keeps the products that ended since `finished` was last called."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._product_tag: str | None = None  # known once the root is
        self._finished: list[XmlProduct] = []
        self._num_open = 0  # elements
        self._depth = 0  # 0 outside products, 1 in a product, 2 in its attribute, more in what that holds
        self._product = XmlProduct()
        self._attribute: str | None = None
        self._text: list[str] = []
        self._num_characters = 0
        self._num_idle_bytes = 0
        self._names: set[str] = set()
        self._num_name_characters = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._num_idle_bytes = 0
        self._num_open += 1
        if self._num_open > MAX_DEPTH:
            raise FeedError(f"{self._name}: elements are nested more than {MAX_DEPTH} deep; deliver RSS 2.0 or Atom")
        self._meet(tag)
        for each in attributes:
            self._meet(each)
        if self._product_tag is None:
            self._product_tag = self._product_tag_of(local(tag))
        elif self._depth:
            self._depth += 1
            self._product.num_bytes += len(tag)
            if self._depth == 2:
                self._attribute, self._text, self._num_characters = tag, [], 0
        elif local(tag) == self._product_tag:
            self._depth = 1
            self._product = XmlProduct()

    def start_ns(self, prefix: str, _: str) -> None:
        self._meet(prefix)

    def data(self, text: str) -> None:
        self._num_idle_bytes = 0
        if not self._depth:
            return
        self._product.num_bytes += len(text)
        # A little more than is allowed suffices for the row to be rejected later on; the rest is not kept.
        if self._depth == 2 and self._num_characters <= MAX_FIELD_BYTES and self._product.is_whole:
            self._text.append(text)
            self._num_characters += len(text)

    def end(self, _: str) -> None:
        self._num_idle_bytes = 0
        self._num_open -= 1
        texts = self._product.texts
        if self._depth == 2 and self._attribute and (text := "".join(self._text).strip()):
            if local(self._attribute) == REPEATED and self._attribute in texts:
                texts[self._attribute] = f"{texts[self._attribute]},{text}"[: MAX_FIELD_BYTES + 1]
            elif self._product.is_whole:
                texts.setdefault(self._attribute, text)
        elif self._depth == 1:
            self._finished.append(self._product)
        self._depth = max(0, self._depth - 1)

    def close(self) -> None:
        """Does nothing: a document that ends inside a product is broken XML."""

    def finished(self) -> list[XmlProduct]:
        """Return the products that ended since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def count(self, num_bytes: int) -> None:
        """Refuse a document whose tag or comment does not end: the parser keeps it all in memory."""
        self._num_idle_bytes += num_bytes
        if self._num_idle_bytes > MAX_TAG_BYTES:
            raise FeedError(f"{self._name}: a tag or comment longer than {MAX_TAG_BYTES:,} bytes; remove it")

    def _meet(self, name: str) -> None:
        """Refuse a document with too many different names: the parser keeps each of them to the end."""
        if name in self._names:
            return
        self._names.add(name)
        self._num_name_characters += len(name)
        if len(self._names) > MAX_NAMES or self._num_name_characters > MAX_NAME_CHARACTERS:
            raise FeedError(
                f"{self._name}: more than {MAX_NAMES:,} different names of elements, or very long ones; write what "
                "differs between products as text"
            )

    def _product_tag_of(self, root: str) -> str:
        if root not in PRODUCT_OF_ROOT:
            raise FeedError(f"{self._name}: the root is <{root[:50]}>, not <rss> or <feed>; deliver RSS 2.0 or Atom")
        return PRODUCT_OF_ROOT[root]


def local(tag: str) -> str:
    """Return a tag without its namespace."""
    return tag.rpartition("}")[2]
