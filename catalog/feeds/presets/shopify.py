"""Shopify's product export: a row per variant and per image, contiguous by handle; or the JSON of its shops.

Source: help.shopify.com, "Using CSV files to import and export products", with the names of its former and its present
template. The first row of a product has its title; further rows have a variant, an image, or both, which have nothing
to do with each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from catalog.feeds.feed import MAX_ROW_BYTES
from catalog.feeds.presets.preset import Preset, Product, RefusedRows, Row, first_of, options_of, size_of

_OF_PRODUCT = {
    "title": ("title",),
    "description": ("body_(html)", "description"),
    "brand": ("vendor",),
    "google_product_category": ("google_shopping_/_google_product_category",),
    "gender": ("google_shopping_/_gender",),
    "age_group": ("google_shopping_/_age_group",),
}
_IMAGE, _POSITION = ("image_src", "product_image_url"), "image_position"
_VARIANT_IMAGE = ("variant_image", "variant_image_url")
_NO_OPTION = "default title"
_NUM_OPTIONS = 3


def _merged(rows: Iterator[Row]) -> Iterator[Product | RefusedRows]:
    """Yields the variants of each run of rows with one handle."""
    run: list[Row] = []
    handle, num_characters = "", 0
    for row in rows:
        own = first_of(row, "handle", "url_handle")
        if own != handle or not own:
            yield from _variants(handle, run, num_characters)
            run, handle, num_characters = [], own, 0
        num_characters += size_of(row)
        if num_characters <= MAX_ROW_BYTES or not run:
            run.append(row)
    yield from _variants(handle, run, num_characters)


def _variants(handle: str, rows: Sequence[Row], num_characters: int) -> Iterator[Product | RefusedRows]:
    if not rows:
        return
    first, raw = rows[0], "\t".join(filter(None, rows[0].values()))
    if not handle:
        yield RefusedRows(raw, "missing_id", "the row has no handle, which says to which product it belongs")
    elif num_characters > MAX_ROW_BYTES:
        detail = f"the rows of product {handle[:100]!r} are longer than {MAX_ROW_BYTES:,} characters together"
        yield RefusedRows(raw, "field_too_large", detail)
    elif not first_of(first, "title"):
        detail = (
            f"the first of {len(rows)} rows of product {handle[:100]!r} has no title; the rows of a product lie "
            "together in an export: sort the file by handle, the row with the title first"
        )
        yield RefusedRows(raw, "rows_apart", detail)
    else:
        yield from _products(handle, rows)


def _products(handle: str, rows: Sequence[Row]) -> Iterator[Product]:
    first = rows[0]
    shared = {attribute: first_of(first, *names) for attribute, names in _OF_PRODUCT.items()}
    shared["product_type"] = first_of(first, "product_category") or first_of(first, "type")
    images = _images(rows)
    variants = [row for number, row in enumerate(rows) if not number or _is_variant(row)]
    names = [first_of(first, f"option{number}_name") for number in range(1, _NUM_OPTIONS + 1)]
    for row in variants:
        values = [first_of(row, f"option{number}_value") for number in range(1, _NUM_OPTIONS + 1)]
        main = first_of(row, *_VARIANT_IMAGE) or next(iter(images), "")
        chosen = [value for value in values if value and value.casefold() != _NO_OPTION]
        yield {
            **shared,
            **options_of(zip(names, values, strict=True)),
            # A shop need not have SKUs; its options set a variant apart.
            "id": first_of(row, "variant_sku", "sku").removeprefix("'") or "/".join([handle, *chosen]),
            "item_group_id": handle,
            "gtin": first_of(row, "variant_barcode", "barcode").removeprefix("'"),
            "price": first_of(row, "variant_price", "price"),
            "image_link": main,
            "additional_image_link": ",".join(image for image in images if image != main),
        }


def _is_variant(row: Row) -> bool:
    """Returns False for a row that only has a further image."""
    return bool(first_of(row, "variant_sku", "sku", "option1_value", "variant_price", "price", *_VARIANT_IMAGE))


def _images(rows: Sequence[Row]) -> list[str]:
    """Returns the images of a product in their order, each once."""
    found: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        position = first_of(row, _POSITION)
        if image := first_of(row, *_IMAGE):
            is_number = position.isascii() and position.isdigit() and len(position) < 10
            found.setdefault(image, int(position) if is_number else number)
    return sorted(found, key=lambda image: found[image])


def _expanded(product: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Returns an object per variant of a product."""
    images = [image for image in product.get("images") or [] if isinstance(image, Mapping) and image.get("src")]
    sources = [str(image["src"]) for image in images]
    by_id = {str(image["id"]): str(image["src"]) for image in images if image.get("id") is not None}
    by_variant = {str(each): str(image["src"]) for image in images for each in image.get("variant_ids") or []}
    options = [each.get("name", "") if isinstance(each, Mapping) else each for each in product.get("options") or []]
    names = [str(name) for name in options][:_NUM_OPTIONS]
    shared = {
        "title": product.get("title"),
        "description": product.get("body_html"),
        "brand": product.get("vendor"),
        "product_type": product.get("product_type"),
        "item_group_id": product.get("handle") or product.get("id"),
    }
    found = []
    for variant in product["variants"]:
        if not isinstance(variant, Mapping):
            continue
        own = variant.get("featured_image")
        main = own.get("src") if isinstance(own, Mapping) else None
        main = main or by_id.get(str(variant.get("image_id"))) or by_variant.get(str(variant.get("id")))
        main = main or next(iter(sources), None)
        values = (str(variant.get(f"option{number}") or "") for number in range(1, len(names) + 1))
        found.append(
            {
                **shared,
                **options_of(zip(names, values, strict=True)),
                "id": variant.get("sku") or variant.get("id"),
                "gtin": variant.get("barcode"),
                "price": variant.get("price"),
                "image_link": main,
                "additional_image_link": [source for source in sources if source != main],
            }
        )
    return found


SHOPIFY = Preset(
    name="shopify",
    title="Shopify's product export",
    signatures=(
        frozenset({"handle", "title", "option1_name", "variant_price"}),
        frozenset({"handle", "title", "variant_sku", "image_src"}),
        frozenset({"url_handle", "title", "option1_name", "product_image_url"}),
    ),
    merged=_merged,
)
SHOPIFY_JSON = Preset(
    name="shopify_json",
    title="products.json of a Shopify shop",
    signatures=(frozenset({"handle", "title", "variants"}),),
    expanded=_expanded,
)
