"""XML feeds: Google Merchant Center's RSS and Atom, and every other shape that `feed_shapes.toml` describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.feed import DEFAULT_OPTIONS, MAX_ROW_BYTES, FeedBatch, ReadOptions
from catalog.feeds.shapes import all_shapes
from catalog.feeds.xml_choice import ShapeChoice
from catalog.feeds.xml_elements import XmlProduct, xml_products
from catalog.feeds.xml_encoding import utf8_blocks
from catalog.feeds.xml_items import XmlItems
from catalog.feeds.xml_repair import CONTROL_MARK, WRONG_BYTES_MARK
from catalog.feeds.xml_values import NAMES, ShapeReader, Values

BROKEN_PRODUCT, BROKEN_ATTRIBUTE = "broken_xml", "broken_attribute"
PROSE = frozenset({"title", "description", "product_type", "brand", "color", "pattern", "material", "size"})


def read_google_xml(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of an XML feed as it streams by, without a tree of it in memory.

    A product whose XML is broken is a rejected row, with its line, and the next one is read. A broken attribute is
    left out of its product, and a rejected row of the same number says so.

    Raises:
        FeedError: The document is refused (see `XmlItems`), or no product has the id under the partner's name.
    """
    shapes = all_shapes(options.shapes)
    items = XmlItems(utf8_blocks(source, options), name, shapes)
    choice = ShapeChoice(items, shapes, options)
    builder = BatchBuilder(name, options.columns)
    num_repaired = 0
    for products in xml_products(items):
        reader = choice.of(products)
        for product in products:
            if product.element is None:
                _reject(builder, product)
            elif product.fault:
                num_repaired += 1
                _add_repaired(builder, product, reader)
            else:
                builder.add([text.encode("utf-8") if text else None for text in reader.values(product.element)])
            if builder.is_full:
                yield builder.batch()
    if num_repaired:
        options.note("repaired products", f"{num_repaired:,}")
    yield builder.last_batch()


def _reject(builder: BatchBuilder, product: XmlProduct) -> None:
    raw = product.raw
    if raw.is_large:
        builder.reject(raw.content, "field_too_large", f"the row is longer than {MAX_ROW_BYTES:,} bytes")
    else:
        builder.reject(raw.content, BROKEN_PRODUCT, f"line {raw.line}: {product.fault}")


def _add_repaired(builder: BatchBuilder, product: XmlProduct, reader: ShapeReader) -> None:
    """Adds a product that was broken, without the attributes that were; without its id, it is rejected."""
    assert product.element is not None  # noqa: S101
    values = reader.values(product.element)
    faults = _faults(values, product, reader)
    line = f"line {product.raw.line}: "
    if "id" in faults or values[0] is None:
        reason = faults.get("id") or product.fault
        builder.reject(product.raw.content, BROKEN_PRODUCT, line + reason)
        return
    builder.add([text.encode("utf-8") if text else None for text in values])
    if faults:
        builder.note(product.raw.content, BROKEN_ATTRIBUTE, line + "; ".join(faults.values()))


def _faults(values: Values, product: XmlProduct, reader: ShapeReader) -> dict[str, str]:
    """Removes values that cannot be relied on, and returns what is wrong with each of those attributes."""
    faults: dict[str, str] = {}
    for position, text in enumerate(values):
        attribute = NAMES[position]
        if text and WRONG_BYTES_MARK in text:
            faults[attribute] = f"{attribute} has bytes that are not of the feed's encoding"
        elif text and CONTROL_MARK in text and attribute in PROSE:
            values[position] = " ".join(text.replace(CONTROL_MARK, " ").split()) or None
        elif text and CONTROL_MARK in text:
            faults[attribute] = f"{attribute} has a control character"
    for tag, fault in product.doubtful.items():
        attribute = reader.attribute_of(tag) or ""
        if attribute and attribute not in PROSE:
            faults.setdefault(attribute, f"{attribute} is lost: {fault}")
    for attribute in faults:
        values[NAMES.index(attribute)] = None
    for tag, fault in product.lost.items():
        attribute = reader.attribute_of(tag) or ""
        if attribute and values[NAMES.index(attribute)] is None:
            faults.setdefault(attribute, f"{attribute} is lost: {fault}")
    return faults
