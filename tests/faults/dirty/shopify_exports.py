"""Exports of Shopify, as their owners download them and drop them in unchanged, or edit them by hand."""

import json

from tests.faults.dirty.feed_case import FeedCase

_SHOPIFY = (
    b"Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,"
    b"Option2 Value,Variant SKU,Variant Price,Variant Barcode,Image Src,Image Position,Variant Image,"
    b"Google Shopping / Google Product Category,Google Shopping / Gender\n"
)
_SHOPIFY_NEW = (
    "Title,URL handle,Description,Vendor,Product category,Type,Tags,SKU,Barcode,Option1 name,Option1 value,Price,"
    "Product image URL,Image position,Variant image URL,Google Shopping / Google product category\n"
)
_SHOPIFY_ROWS = (
    b"tee,Tee,<p>Soft</p>,Acme,Apparel & Accessories > Clothing > Shirts & Tops,Tee,,true,Color,Red,Size,M,T-R-M,19.99,"
    b"4006381333931,https://cdn/1.jpg?v=1,1,https://cdn/red.jpg,212,female\n"
    b"tee,,,,,,,,,Blue,,L,T-B-L,19.99,,https://cdn/2.jpg,2,,,\n"
    b"tee,,,,,,,,,,,,,,,https://cdn/3.jpg,3,,,\n"
    b"chair,Chair,,Acme,Furniture > Chairs,,,true,Title,Default Title,,,,49,,https://cdn/c.jpg,1,,443,\n"
)


def _shopify_json() -> bytes:
    images = [{"id": 5, "src": "https://cdn/1.jpg", "variant_ids": []}, {"id": 6, "src": "https://cdn/2.jpg"}]
    variants = [
        {"id": 11, "sku": "T-R", "option1": "Red", "price": "19.99", "image_id": 6, "barcode": "4006381333931"},
        {"id": 12, "sku": "", "option1": "Blue", "price": "19.99", "image_id": None},
    ]
    tee = {
        "id": 1,
        "title": "Tee",
        "handle": "tee",
        "body_html": "<p>Soft</p>",
        "vendor": "Acme",
        "product_type": "Tees",
        "options": [{"name": "Color", "values": ["Red", "Blue"]}],
        "images": images,
        "variants": variants,
    }
    return json.dumps({"products": [tee, tee | {"id": 2, "handle": "none", "variants": []}]}).encode()


CASES = (
    FeedCase(
        name="shopify-variants-and-images-in-rows",
        source="Shopify's product export",
        file="products_export.csv",
        content=_SHOPIFY + _SHOPIFY_ROWS,
        settings="currency = 'EUR'",
        products={
            "T-R-M": {
                "title": "Tee",
                "description": "<p>Soft</p>",
                "brand": "Acme",
                "image_url": "https://cdn/red.jpg",
                "additional_image_urls": ["https://cdn/1.jpg?v=1", "https://cdn/2.jpg", "https://cdn/3.jpg"],
                "item_group_id": "tee",
                "color": "Red",
                "size": "M",
                "gender": "female",
                "gtin": "4006381333931",
                "price": 19.99,
                "currency": "EUR",
                "category_id": 212,
                "row": 1,
            },
            "T-B-L": {
                "title": "Tee",
                "image_url": "https://cdn/1.jpg?v=1",
                "additional_image_urls": ["https://cdn/2.jpg", "https://cdn/3.jpg"],
                "item_group_id": "tee",
                "color": "Blue",
                "size": "L",
                "category_id": 212,
                "row": 2,
            },
            "chair": {"title": "Chair", "price": 49.0, "category_id": 443, "item_group_id": "chair", "row": 3},
        },
    ),
    FeedCase(
        name="shopify-without-a-currency",
        source="the same without the partner's currency, which no export of Shopify has",
        file="products_export.csv",
        content=_SHOPIFY + _SHOPIFY_ROWS,
        products={"T-R-M": {"price": None}, "T-B-L": {"price": None}, "chair": {"category_id": 443}},
    ),
    FeedCase(
        name="shopify-new-names",
        source="Shopify's template with its names of 2025",
        file="products_export.csv",
        content=(
            _SHOPIFY_NEW
            + "Tee,tee,,Acme,Shirts & Tops,Tee,,,,Size,M,19.99,https://cdn/1.jpg,2,,212\n"
            + ",tee,,,,,,,,,L,19.99,https://cdn/0.jpg,1,,\n"
        ).encode(),
        products={
            "tee/M": {"image_url": "https://cdn/0.jpg", "additional_image_urls": ["https://cdn/1.jpg"], "size": "M"},
            "tee/L": {"title": "Tee", "item_group_id": "tee", "category_id": 212},
        },
    ),
    FeedCase(
        name="shopify-sorted-by-a-person",
        source="an export sorted by SKU, so that rows of a product lie apart",
        file="products_export.csv",
        content=_SHOPIFY
        + b"tee,Tee,,,,,,,Size,M,,,T-M,19,,https://cdn/1.jpg,1,,,\n"
        + b"chair,Chair,,,,,,,Title,Default Title,,,C,49,,https://cdn/c.jpg,1,,,\n"
        + b"tee,,,,,,,,,L,,,T-L,19,,,,,,\n",
        products={"T-M": {"title": "Tee"}, "C": {"title": "Chair"}},
        rejected={"rows_apart": 1},
    ),
    FeedCase(
        name="shopify-one-product-of-endless-rows",
        source="a hostile export: one handle, and rows without end",
        file="products_export.csv",
        content=lambda: (
            _SHOPIFY
            + b"".join(b"tee,Tee,%s,,,,,,,,,,,,,,,,,\n" % (b"x" * 90_000) for _ in range(60))
            + b"chair,Chair,,,,,,,Title,Default Title,,,C,49,,,,,,\n"
        ),
        products={"C": {"title": "Chair"}},
        rejected={"field_too_large": 1},
    ),
    FeedCase(
        name="shopify-a-row-without-a-handle-and-one-with-too-few-fields",
        source="an export edited by hand",
        file="products_export.csv",
        content=_SHOPIFY + b",Lost,,,,,,,,,,,L,1,,,,,,\nx,y\nchair,Chair,,,,,,,,,,,C,49,,,,,,\n",
        products={"C": {"title": "Chair"}},
        rejected={"missing_id": 1, "wrong_field_count": 1},
    ),
    FeedCase(
        name="shopify-wrong-byte",
        source="an export saved in a single-byte encoding for one row only",
        file="products_export.csv",
        content=_SHOPIFY + "é,Thé,,,,,,,,,,,T,1,,,,,,\n".encode() + b"c,Sch\xfcrze,,,,,,,,,,,C,1,,,,,,\n",
        settings="encoding = 'utf-8'",
        products={"T": {"title": "Thé", "item_group_id": "é"}, "C": {"title": "Schürze"}},
    ),
    FeedCase(
        name="shopify-products-json",
        source="https://shop/products.json",
        file="products.json",
        content=_shopify_json,
        settings="currency = 'USD'",
        products={
            "T-R": {
                "title": "Tee",
                "image_url": "https://cdn/2.jpg",
                "additional_image_urls": ["https://cdn/1.jpg"],
                "item_group_id": "tee",
                "color": "Red",
                "gtin": "4006381333931",
                "price": 19.99,
            },
            "12": {"image_url": "https://cdn/1.jpg", "color": "Blue", "brand": "Acme"},
        },
    ),
    FeedCase(
        name="own-columns-before-presets",
        source="a partner who mapped the columns of an export itself",
        file="feed.csv",
        content=_SHOPIFY + _SHOPIFY_ROWS,
        settings="columns = 'columns.csv'",
        files={"columns.csv": "column,attribute\nVariant SKU,id\nImage Src,image_link\n"},
        products={"T-R-M": {"image_url": "https://cdn/1.jpg?v=1"}, "T-B-L": {"image_url": "https://cdn/2.jpg"}},
        rejected={"missing_id": 2},
    ),
)
