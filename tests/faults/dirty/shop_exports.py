"""Exports of shop systems and feeds for other platforms, as their owners download them and drop them in unchanged."""

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
_WOO = (
    "ID,Type,SKU,Name,Published,Description,In stock?,Sale price,Regular price,Categories,Images,Parent,"
    "Attribute 1 name,Attribute 1 value(s)\n"
)
_MAGENTO = (
    "sku,store_view_code,attribute_set_code,product_type,categories,name,description,price,base_image,"
    "additional_images,additional_attributes,configurable_variations\n"
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
        name="woocommerce-variations-inherit-from-their-parent",
        source="WooCommerce's product export",
        file="wc-product-export.csv",
        content=(
            _WOO
            + '7,variable,TEE,Tee,1,Soft,1,,,"Clothing, Clothing > Tees","https://w/1.jpg, https://w/2.jpg",,Color,'
            + '"Red, Blue"\n'
            + "9,simple,,Chair,1,,0,39,49,Furniture > Chairs,https://w/c.jpg,,,\n"
            + "8,variation,TEE-R,Tee - Red,1,,1,,19.90,,https://w/red.jpg,TEE,Color,Red\n"
            + "10,variation,,Tee - Blue,1,,1,,19.90,,,id:7,Color,Blue\n"
        ).encode(),
        settings="currency = 'EUR'\nproduct_types = 'types.csv'",
        files={"types.csv": "product_type,category\nClothing > Tees,212\nFurniture > Chairs,443\n"},
        products={
            "TEE": {"title": "Tee", "category_id": 212, "item_group_id": "TEE", "color": None},
            "TEE-R": {
                "title": "Tee - Red",
                "image_url": "https://w/red.jpg",
                "product_type": "Clothing > Tees",
                "category_id": 212,
                "item_group_id": "TEE",
                "color": "Red",
                "price": 19.9,
                "description": "Soft",
            },
            "id:10": {"image_url": "https://w/1.jpg", "item_group_id": "TEE", "color": "Blue", "category_id": 212},
            "id:9": {"price": 39.0, "availability": "out_of_stock", "category_id": 443, "item_group_id": None},
        },
    ),
    FeedCase(
        name="woocommerce-orphans-and-commas-in-names",
        source="a part of an export: the parent of a variation is missing",
        file="wc.csv",
        content=(
            _WOO
            + '8,variation,TEE-R,Tee,1,,1,,,,https://w/red.jpg,"id: 7",Size,M\n'
            + '9,simple,C,Cup,1,,backorder,,,"Food\\, Drink > Cups",https://w/c.jpg,,,\n'
            + ",simple,,Nothing,1,,1,,,,,,,\n"
        ).encode(),
        products={
            "TEE-R": {"item_group_id": "id:7", "size": "M"},
            "C": {"product_type": "Food, Drink > Cups", "availability": "backorder"},
        },
        rejected={"missing_id": 1},
    ),
    FeedCase(
        name="magento-configurable-after-its-variants",
        source="Magento 2's product export, with a store view in German",
        file="catalog_product.csv",
        content=(
            _MAGENTO
            + 'MH-S,,Top,simple,"Default Category/Men,Default Category/Men/Tees",Tee S,,29.0000,/m/h/1.jpg,'
            + '"/m/h/1.jpg,/m/h/2.jpg","color=Black,size=S",\n'
            + "MH-S,de,Top,simple,,T-Shirt S,Weich,,,,,\n"
            + "MH-M,,Top,simple,Default Category/Men/Tees,Tee M,,29.0000,no_selection,,size=M,\n"
            + 'MH,,Top,configurable,Default Category/Men/Tees,Tee,,,/m/h/0.jpg,,,"sku=MH-S,size=S|sku=MH-M,size=M"\n'
            + ",de,,,,,,,,/m/h/9.jpg,,\n"
        ).encode(),
        settings="currency = 'EUR'\nimage_base = 'https://shop/media/catalog/product/'",
        products={
            "MH-S": {
                "title": "Tee S",
                "description": "Weich",
                "image_url": "https://shop/media/catalog/product/m/h/1.jpg",
                "additional_image_urls": ["https://shop/media/catalog/product/m/h/2.jpg"],
                "product_type": "Men > Tees",
                "item_group_id": "MH",
                "color": "Black",
                "size": "S",
                "price": 29.0,
            },
            "MH-M": {"image_url": None, "item_group_id": "MH", "size": "M"},
            "MH": {
                "item_group_id": "MH",
                "image_url": "https://shop/media/catalog/product/m/h/0.jpg",
                "additional_image_urls": ["https://shop/media/catalog/product/m/h/9.jpg"],
            },
        },
    ),
    FeedCase(
        name="magento-with-tabs",
        source="a Magento file for import, saved as text with tabs; its first row has no SKU",
        file="catalog.tsv",
        content=(
            _MAGENTO.replace(",", "\t")
            + "\tde\t\t\t\tLost\t\t\t\t\t\t\nMH\t\tTop\tconfigurable\t\tTee\t\t\thttps://m/0.jpg\t\t\tsku=MH-S,size=S\n"
            + "MH-S\t\tTop\tsimple\t\tTee S\t\t\thttps://m/1.jpg\t\t\t\n"
        ).encode(),
        products={"MH": {"item_group_id": "MH"}, "MH-S": {"item_group_id": "MH", "title": "Tee S"}},
        rejected={"missing_id": 1},
    ),
    FeedCase(
        name="openai-csv",
        source="OpenAI's product feed as a spreadsheet",
        file="feed.csv",
        content=b"item_id,title,image_url,additional_image_urls,group_id\n"
        b'a,Shoe,https://shop/a.jpg,"https://shop/b.jpg,https://shop/c.jpg",g\n',
        products={
            "a": {
                "image_url": "https://shop/a.jpg",
                "additional_image_urls": ["https://shop/b.jpg", "https://shop/c.jpg"],
                "item_group_id": "g",
            }
        },
    ),
    FeedCase(
        name="content-api-names-in-a-text-feed",
        source="a table made of the Content API's answers",
        file="feed.tsv",
        content=b"id\tofferId\ttitle\timageLink\tgoogleProductCategory\tproductTypes\n"
        b"online:en:DE:a\ta\tShoe\thttps://shop/a.jpg\t187\tShoes\n",
        products={"a": {"image_url": "https://shop/a.jpg", "category_id": 187, "product_type": "Shoes"}},
    ),
    FeedCase(
        name="meta-catalog-csv",
        source="a feed for Facebook's catalog, whose names are Merchant Center's",
        file="feed.csv",
        content=b"id,title,description,availability,condition,price,link,image_link,brand,google_product_category,"
        b"fb_product_category\na,Shoe,x,in stock,new,9.99 USD,https://shop/a,https://shop/a.jpg,Acme,187,clothing\n",
        products={"a": {"availability": "in_stock", "price": 9.99, "category_id": 187}},
    ),
    FeedCase(
        name="preset-of-the-settings-that-the-header-is-not",
        source="a partner with preset = 'shopify' that delivers another file",
        file="feed.csv",
        content=b"id,title,image_link\na,Shoe,https://shop/a.jpg\n",
        settings="preset = 'shopify'",
        refusal=r"no column 'handle', which Shopify's product export has; deliver that, or correct preset = 'shopify'",
    ),
    FeedCase(
        name="preset-turned-off",
        source="a partner whose own feed looks like an export: the id column is meant",
        file="feed.tsv",
        content=b"id\tofferId\ttitle\na\tx\tShoe\n",
        settings="preset = 'merchant'",
        products={"a": {"title": "Shoe"}},
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
