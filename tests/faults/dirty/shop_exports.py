"""Exports of other shop systems than Shopify and feeds for other platforms, dropped in unchanged."""

from tests.faults.dirty.feed_case import FeedCase

_WOO = (
    "ID,Type,SKU,Name,Published,Description,In stock?,Sale price,Regular price,Categories,Images,Parent,"
    "Attribute 1 name,Attribute 1 value(s)\n"
)
_MAGENTO = (
    "sku,store_view_code,attribute_set_code,product_type,categories,name,description,price,base_image,"
    "additional_images,additional_attributes,configurable_variations\n"
)

CASES = (
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
)
