"""Samples of an XML feed: attributes that its shape has by Merchant Center's names, the others by the feed's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.feed import DEFAULT_OPTIONS, ReadOptions
from catalog.feeds.shapes import all_shapes
from catalog.feeds.xml_choice import ShapeChoice
from catalog.feeds.xml_elements import XmlProduct, xml_products
from catalog.feeds.xml_encoding import utf8_blocks
from catalog.feeds.xml_items import XmlItems
from catalog.feeds.xml_values import NAMES, ShapeReader


def xml_rows(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[list[tuple[str, str]]]:
    """Yield the texts of each product with their names; products that are lost are skipped.

    Raises:
        FeedError: The document is refused.
    """
    shapes = all_shapes(options.shapes)
    items = XmlItems(utf8_blocks(source, options), name, shapes)
    choice = ShapeChoice(items, shapes, options)
    for products in xml_products(items):
        reader = choice.of(products)
        for product in products:
            if product.element is not None:
                yield _row(product, reader)


def _row(product: XmlProduct, reader: ShapeReader) -> list[tuple[str, str]]:
    assert product.element is not None  # noqa: S101
    row = [(name, text) for name, text in zip(NAMES, reader.values(product.element), strict=True) if text]
    for child in product.element:
        if reader.attribute_of(child.tag) is None and child.text and child.text.strip():
            row.append((child.tag.rpartition("}")[2], child.text.strip()))
    return row
