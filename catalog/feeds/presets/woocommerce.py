"""WooCommerce's product export: a row per product and per variation, whose parent lies in an earlier row.

Source: woocommerce.com, "Product CSV Importer and Exporter", and its schema of columns. A variation names its parent by
SKU, or as `id:123`, and has texts and images of its own only where they differ.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator

from catalog.feeds.presets.preset import (
    MAX_KEPT_CHARACTERS,
    Preset,
    Product,
    RefusedRows,
    Row,
    first_of,
    options_of,
    size_of,
)

_INHERITED = ("title", "description", "brand", "product_type", "image_link", "additional_image_link")
_COMMA = re.compile(r"(?<!\\),")
_NUM_ATTRIBUTES = 10


def _merged(rows: Iterator[Row]) -> Iterator[Product | RefusedRows]:
    """Yields a product per row; a variation has what it lacks from its parent."""
    parents: OrderedDict[str, Product] = OrderedDict()
    num_characters = 0
    for row in rows:
        product = _product(row)
        kind = first_of(row, "type").casefold()
        if "variation" in kind:
            parent = parents.get(_reference(first_of(row, "parent")), {})
            product["item_group_id"] = parent.get("id") or _reference(first_of(row, "parent"))
            for attribute in _INHERITED:
                product[attribute] = product[attribute] or parent.get(attribute, "")
        elif "variable" in kind:
            product["item_group_id"] = product["id"]
            for key in {product["id"], f"id:{first_of(row, 'id')}"}:
                parents[key] = product
                num_characters += size_of(product)
            while num_characters > MAX_KEPT_CHARACTERS:
                num_characters -= size_of(parents.popitem(last=False)[1])
        if product["id"]:
            yield product
        else:
            raw = "\t".join(filter(None, row.values()))
            yield RefusedRows(raw, "missing_id", "the row has neither a SKU nor an ID")


def _product(row: Row) -> Product:
    images = [image.strip() for image in first_of(row, "images").split(",") if image.strip()]
    number = first_of(row, "id")
    return {
        **options_of(_attributes(row)),
        "id": first_of(row, "sku") or (f"id:{number}" if number else ""),
        "title": first_of(row, "name"),
        "description": first_of(row, "description", "short_description"),
        "brand": first_of(row, "brands", "brand"),
        "product_type": _deepest(first_of(row, "categories")),
        "image_link": images[0] if images else "",
        "additional_image_link": ",".join(images[1:]),
        "gtin": first_of(row, "gtin,_upc,_ean,_or_isbn", "gtin"),
        "price": first_of(row, "sale_price", "regular_price"),
        "availability": {"1": "in_stock", "0": "out_of_stock", "backorder": "backorder"}.get(
            first_of(row, "in_stock?").casefold(), ""
        ),
    }


def _attributes(row: Row) -> Iterator[tuple[str, str]]:
    """Yields the attributes of a variation; of several values, which a parent has, none is its own."""
    for number in range(1, _NUM_ATTRIBUTES + 1):
        values = first_of(row, f"attribute_{number}_value(s)")
        if values and not _COMMA.search(values):
            yield first_of(row, f"attribute_{number}_name"), values.replace("\\,", ",")


def _deepest(categories: str) -> str:
    """Returns the deepest of categories such as `Clothing, Clothing > Hoodies`; of equally deep ones the first."""
    paths = [path.strip().replace("\\,", ",") for path in _COMMA.split(categories)]
    return max(paths, key=lambda path: path.count(">"), default="")


def _reference(parent: str) -> str:
    return re.sub(r"^id:\s*", "id:", parent, flags=re.IGNORECASE)


WOOCOMMERCE = Preset(
    name="woocommerce",
    title="WooCommerce's product export",
    signatures=(frozenset({"type", "sku", "name", "published", "images", "categories"}),),
    merged=_merged,
)
