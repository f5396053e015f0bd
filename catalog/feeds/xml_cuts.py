"""XML cuts: where an RSS or Atom feed can be cut between products, and what makes each part a document of its own."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import BinaryIO
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from catalog.feeds.feed import FeedError
from catalog.feeds.google_xml import MAX_TAG_BYTES, broken, declares_document_type, product_tag_of

_BLOCK_BYTES = 1 << 20
_STARTS = {  # how a document in each encoding of two bytes a character starts, with and without its mark
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}


@dataclass(frozen=True, slots=True)
class XmlCut:
    """A place before a product: the offset of its tag, and the tags that reopen and that close what is open there."""

    offset: int
    opening: str
    closing: str


@dataclass(frozen=True)
class XmlCuts:
    """Where a document can be cut, how many products it has, and the codec of its bytes."""

    cuts: list[XmlCut]
    num_products: int
    encoding: str


def xml_cuts(source: BinaryIO, name: str, every: int) -> XmlCuts:
    """A cut before every product whose place, counted from 0, is a multiple of `every`, but the very first.

    Raises `FeedError` where `read_google_xml` does for the document as a whole.
    """
    cutter = _Cutter(name, every)
    num_bytes, start = 0, b""
    while block := source.read(_BLOCK_BYTES):
        start = start or block
        num_bytes += len(block)
        cutter.parse(block)
        # Expat's place stands still in what has no end yet, and holds that in memory.
        if num_bytes - cutter.parser.CurrentByteIndex > MAX_TAG_BYTES:
            raise FeedError(f"{name}: a tag or comment longer than {MAX_TAG_BYTES:,} bytes; remove it")
    if num_bytes:
        cutter.parse(b"", is_final=True)
    encoding = next((codec for mark, codec in _STARTS.items() if start.startswith(mark)), cutter.encoding)
    return XmlCuts(cutter.cuts, cutter.num_products, encoding)


class _Cutter:
    """Counts products as expat meets them, the way `catalog.feeds.google_xml` takes them."""

    def __init__(self, name: str, every: int) -> None:
        self.num_products = 0
        self.cuts: list[XmlCut] = []
        self.encoding = "utf-8"
        self._name = name
        self._every = every
        self._product_tag: str | None = None
        self._depth = 0  # 0 outside products
        self._open: list[tuple[str, str]] = []  # the name and the tag of each element around the products
        self._namespaces: list[tuple[str | None, str | None]] = []  # declared for the element that comes next
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.namespace_prefixes = True
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._refuse_document_type
        self.parser.StartNamespaceDeclHandler = self._namespace
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def parse(self, block: bytes, *, is_final: bool = False) -> None:
        """Raises `FeedError` for what is not well-formed."""
        try:
            self.parser.Parse(block, is_final)
        except FeedError:
            raise
        except (expat.ExpatError, ValueError, LookupError) as error:  # the latter two: encodings that expat lacks
            raise broken(self._name, error) from error

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self.encoding = encoding or "utf-8"

    def _refuse_document_type(self, *_: object) -> None:
        raise declares_document_type(self._name)

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        if not self._depth:
            self._namespaces.append((prefix, uri))

    def _start(self, tag: str, _attributes: object) -> None:
        if self._depth:
            self._depth += 1
            return
        namespaced = tag.split("}")  # [local], [namespace, local] or [namespace, local, prefix]
        local = namespaced[min(1, len(namespaced) - 1)]
        prefix = namespaced[2] if len(namespaced) == 3 else ""
        if self._product_tag is None:
            self._product_tag = product_tag_of(local, self._name)
        elif local == self._product_tag:
            if self.num_products and self.num_products % self._every == 0:
                self.cuts.append(self._cut())
            self.num_products += 1
            self._depth = 1
            self._namespaces.clear()
            return
        qualified = f"{prefix}:{local}" if prefix else local
        declared = "".join(
            f" {f'xmlns:{prefix}' if prefix else 'xmlns'}={quoteattr(uri or '')}" for prefix, uri in self._namespaces
        )
        self._namespaces.clear()
        self._open.append((qualified, f"<{qualified}{declared}>"))

    def _end(self, _: str) -> None:
        if self._depth:
            self._depth -= 1
        else:
            self._open.pop()

    def _cut(self) -> XmlCut:
        opening = "".join(tag for _, tag in self._open)
        closing = "".join(f"</{name}>" for name, _ in reversed(self._open))
        return XmlCut(self.parser.CurrentByteIndex, opening, closing)
