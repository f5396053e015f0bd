"""Google Merchant Center's XML feeds, RSS 2.0 and Atom: an <item> or <entry> a product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.feed import ATTRIBUTES, MAX_FIELD_BYTES, NO_NAMES, REPEATED, FeedBatch, FeedError

GOOGLE = "{http://base.google.com/ns/1.0}"
ATOM = "{http://www.w3.org/2005/Atom}"
PRODUCT_OF_ROOT = {"rss": "item", "feed": "entry"}

_CHUNK_BYTES = 1 << 16
MAX_TAG_BYTES = 4_000_000


def read_google_xml(source: BinaryIO, name: str, names: Mapping[str, str] = NO_NAMES) -> Iterator[FeedBatch]:
    """Yield the batches of an RSS or Atom feed as it streams by, without a tree in memory.

    Raises:
        FeedError: The XML is broken anywhere, is neither RSS nor Atom, or declares a document type, which feeds do
            without and entity bombs and references to outside files need; or no product has the id under the partner's
            name.
    """
    builder = BatchBuilder(name, names)
    products = _Products(name, names)
    parser = DefusedXMLParser(target=products, forbid_dtd=True)
    is_empty = True
    while chunk := source.read(_CHUNK_BYTES):
        is_empty = False
        with _refusals(name):
            parser.feed(chunk)
        products.count(len(chunk))
        for values in products.finished():
            builder.add(values)
            if builder.is_full:
                yield builder.batch()
    if is_empty:
        raise FeedError(f"{name}: the file is empty; deliver it again, as RSS 2.0 or Atom")
    with _refusals(name):
        parser.close()
    yield builder.last_batch()


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

    def __init__(self, name: str, names: Mapping[str, str]) -> None:
        self._name = name
        self._tags = _tags_of_attributes(names)
        self._product_tag: str | None = None  # known once the root is
        self._finished: list[tuple[bytes | None, ...]] = []
        self._depth = 0  # 0 outside products, 1 in a product, 2 in its attribute, more in what that holds
        self._attribute: str | None = None
        self._text: list[str] = []
        self._num_characters = 0
        self._num_idle_bytes = 0

    def start(self, tag: str, _: dict[str, str]) -> None:
        self._num_idle_bytes = 0
        if self._product_tag is None:
            self._product_tag = self._product_tag_of(_local(tag))
        elif self._depth:
            self._depth += 1
            if self._depth == 2:
                self._attribute, self._text, self._num_characters = tag, [], 0
        elif _local(tag) == self._product_tag:
            self._depth = 1
            self._attributes: dict[str, str] = {}

    def data(self, text: str) -> None:
        self._num_idle_bytes = 0
        # A little more than is allowed suffices for the row to be rejected later on; the rest is not kept.
        if self._depth == 2 and self._num_characters <= MAX_FIELD_BYTES:
            self._text.append(text)
            self._num_characters += len(text)

    def end(self, _: str) -> None:
        self._num_idle_bytes = 0
        if self._depth == 2 and self._attribute and (text := "".join(self._text).strip()):
            if _local(self._attribute) == REPEATED and self._attribute in self._attributes:
                text = f"{self._attributes[self._attribute]},{text}"[: MAX_FIELD_BYTES + 1]
                self._attributes[self._attribute] = text
            self._attributes.setdefault(self._attribute, text)  # of repeated ones the first counts
        elif self._depth == 1:
            self._finished.append(tuple(map(self._value, self._tags)))
        self._depth = max(0, self._depth - 1)

    def close(self) -> None:
        """Does nothing: a document that ends inside a product is broken XML."""

    def finished(self) -> list[tuple[bytes | None, ...]]:
        """Return the products that ended since the last call: the bytes of their attributes."""
        finished, self._finished = self._finished, []
        return finished

    def count(self, num_bytes: int) -> None:
        """Refuse a document whose tag or comment does not end: the parser keeps it all in memory."""
        self._num_idle_bytes += num_bytes
        if self._num_idle_bytes > MAX_TAG_BYTES:
            raise FeedError(f"{self._name}: a tag or comment longer than {MAX_TAG_BYTES:,} bytes; remove it")

    def _product_tag_of(self, root: str) -> str:
        if root not in PRODUCT_OF_ROOT:
            raise FeedError(f"{self._name}: the root is <{root[:50]}>, not <rss> or <feed>; deliver RSS 2.0 or Atom")
        return PRODUCT_OF_ROOT[root]

    def _value(self, tags: Sequence[str]) -> bytes | None:
        for tag in tags:
            if text := self._attributes.get(tag):
                return text.encode("utf-8")
        return None


def _tags_of_attributes(names: Mapping[str, str]) -> list[list[str]]:
    """Returns for each attribute the tags that may hold it, in the order in which they count."""
    own: dict[str, list[str]] = {}
    for tag, attribute in names.items():
        own.setdefault(attribute, []).append(tag.removeprefix("g:"))
    # <g:title> goes before RSS's own <title>, <g:id> before Atom's own <id>; <dc:title> never counts.
    return [
        [namespace + local for local in own.get(attribute, [attribute]) for namespace in (GOOGLE, "", ATOM)]
        for attribute in ATTRIBUTES
    ]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
