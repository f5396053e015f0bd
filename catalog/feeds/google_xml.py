"""Google Merchant Center's XML feeds, RSS 2.0 and Atom: an <item> or <entry> a product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.feed import ATTRIBUTES, DEFAULT_OPTIONS, MAX_ROW_BYTES, FeedBatch, ReadOptions
from catalog.feeds.xml_products import XmlProduct, xml_products

GOOGLE = "{http://base.google.com/ns/1.0}"
ATOM = "{http://www.w3.org/2005/Atom}"


def read_google_xml(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of an RSS or Atom feed as it streams by, without a tree in memory.

    Raises:
        FeedError: The document is refused (see `xml_products`), or no product has the id under the partner's name.
    """
    builder = BatchBuilder(name, options.columns)
    tags_of_attributes = _tags_of_attributes(options.columns)
    for product in xml_products(source, name):
        if product.is_whole:
            builder.add([_value(product, tags) for tags in tags_of_attributes])
        else:
            raw = " ".join(product.texts.values()).encode("utf-8")
            builder.reject(raw, "field_too_large", f"the row is longer than {MAX_ROW_BYTES:,} bytes")
        if builder.is_full:
            yield builder.batch()
    yield builder.last_batch()


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


def _value(product: XmlProduct, tags: Sequence[str]) -> bytes | None:
    """Returns the text of the first of these tags that a product has."""
    return next((text.encode("utf-8") for tag in tags if (text := product.texts.get(tag))), None)
