"""Magento 2's product export: a row per product, and rows of store views; a configurable product names its variants.

Source: Adobe Commerce, "Product attributes" of data transfer. A configurable product mostly comes after its variants,
so rows wait for it, within bounds.
"""

from __future__ import annotations

from collections import OrderedDict, deque
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

MAX_WAITING = 10_000  # rows until their configurable product has come
MAX_GROUPED = 200_000  # variants whose group is known, before or after their own row

_NO_IMAGE = "no_selection"


def _merged(rows: Iterator[Row]) -> Iterator[Product | RefusedRows]:
    """Yields a product per SKU, with the group that a configurable product puts it into."""
    groups: OrderedDict[str, str] = OrderedDict()
    waiting: deque[Product | RefusedRows] = deque()
    num_characters = 0
    for found in _by_sku(rows):
        if isinstance(found, dict):
            for variant in _variants(found.pop("variants", "")):
                groups.setdefault(variant, found["id"])
            while len(groups) > MAX_GROUPED:
                groups.popitem(last=False)
            num_characters += size_of(found)
        waiting.append(found)
        while len(waiting) > MAX_WAITING or num_characters > MAX_KEPT_CHARACTERS:
            first = waiting.popleft()
            num_characters -= size_of(first) if isinstance(first, dict) else 0
            yield _grouped(first, groups)
    while waiting:
        yield _grouped(waiting.popleft(), groups)


def _grouped(found: Product | RefusedRows, groups: OrderedDict[str, str]) -> Product | RefusedRows:
    if isinstance(found, dict) and not found["item_group_id"]:
        found["item_group_id"] = groups.get(found["id"], "")
    return found


def _by_sku(rows: Iterator[Row]) -> Iterator[Product | RefusedRows]:
    """Yields a product per run of rows with one SKU or none; those of store views only add what is lacking."""
    product: Product | None = None
    for row in rows:
        sku = first_of(row, "sku")
        if not sku and product is None:
            detail = "the row has no SKU, and no row before it either"
            yield RefusedRows("\t".join(filter(None, row.values())), "missing_id", detail)
            continue
        own = _product(row, sku)
        if product is None or (sku and sku != product["id"]):
            if product is not None:
                yield product
            product = own
        else:
            for attribute, text in own.items():
                product[attribute] = product[attribute] or text
    if product is not None:
        yield product


def _product(row: Row, sku: str) -> Product:
    images = [image for image in _list(first_of(row, "additional_images")) if image != first_of(row, "base_image")]
    pairs = (pair.partition("=") for pair in _list(first_of(row, "additional_attributes")))
    own = {name.strip(): value.strip() for name, _, value in pairs}
    is_group = "configurable" in first_of(row, "product_type").casefold()
    return {
        **dict.fromkeys(("color", "size", "material", "pattern", "gender"), ""),
        **options_of(iter([*own.items(), *((name, row.get(name, "")) for name in ("color", "size", "material"))])),
        "id": sku,
        "title": first_of(row, "name"),
        "description": first_of(row, "description", "short_description"),
        "brand": own.get("manufacturer") or own.get("brand") or first_of(row, "manufacturer", "brand"),
        "google_product_category": first_of(row, "google_product_category") or own.get("google_product_category", ""),
        "product_type": _deepest(first_of(row, "categories")),
        "image_link": "" if first_of(row, "base_image") == _NO_IMAGE else first_of(row, "base_image"),
        "additional_image_link": ",".join(images),
        "gtin": own.get("gtin") or own.get("ean") or first_of(row, "gtin", "ean", "barcode"),
        "price": first_of(row, "price"),
        "availability": {"1": "in_stock", "0": "out_of_stock"}.get(first_of(row, "is_in_stock"), ""),
        "item_group_id": sku if is_group else "",
        "variants": first_of(row, "configurable_variations"),
    }


def _variants(text: str) -> Iterator[str]:
    """Yields the SKUs of `sku=A-S,size=S|sku=A-M,size=M`."""
    for variant in text.split("|"):
        for pair in variant.split(","):
            name, _, value = pair.partition("=")
            if name.strip() == "sku" and value.strip():
                yield value.strip()


def _deepest(categories: str) -> str:
    """Returns the deepest of categories such as `Default Category/Gear,Default Category/Gear/Bags`, without the root.

    Every path begins with the root of its shop, which is no category of products.
    """
    paths = [path.split("/")[1:] for path in _list(categories)]
    deepest: list[str] = max(paths, key=len, default=[])
    return " > ".join(deepest)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


MAGENTO = Preset(
    name="magento",
    title="Magento 2's product export",
    signatures=(
        frozenset({"sku", "attribute_set_code", "product_type", "base_image"}),
        frozenset({"sku", "store_view_code", "product_type", "base_image"}),
    ),
    merged=_merged,
)
