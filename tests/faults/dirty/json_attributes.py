"""JSON's attributes as interfaces name and nest them, and numbers for ids."""

import json

from tests.faults.dirty.feed_case import FeedCase

_SHOES = {"id": "a", "title": "Shoe", "image_link": "https://shop/a.jpg", "google_product_category": "187"}


def _content(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=False).encode()


CASES = (
    FeedCase(
        name="json-numbers-as-ids",
        source="numbers of spreadsheets and databases",
        file="feed.json",
        content=b'[{"id":1001},{"id":1002.0},{"id":1.0E5},{"id":123456789012345678901234567890},{"id":1e999}]',
        products={"1001": {}, "1002": {}, "100000": {}, "123456789012345678901234567890": {}, "1e999": {}},
    ),
    FeedCase(
        name="json-ids-that-are-none",
        source="null, false, an object and a list for an id",
        file="feed.json",
        content=b'[{"id":null,"title":"x"},{"id":false},{"id":{"a":1}},{"id":["a"]},{"id":"a","id":"b"}]',
        products={"b": {}},
        rejected={"missing_id": 1, "wrong_type": 3},
    ),
    FeedCase(
        name="json-objects-of-prices-and-lists-of-links",
        source="schema.org-like objects",
        file="feed.json",
        content=_content(
            [
                {
                    **_SHOES,
                    "image_link": [{"url": "https://shop/1.jpg"}, {"url": "https://shop/2.jpg"}],
                    "price": {"value": "9.99", "currency": "EUR"},
                    "brand": {"name": "Acme"},
                    "color": ["red", "blue"],
                    "availability": True,
                    "gtin": 4006381333931,
                    "product_type": ["Schuhe > Sneaker", "Sale"],
                }
            ]
        ),
        products={
            "a": {
                "image_url": "https://shop/1.jpg",
                "additional_image_urls": ["https://shop/2.jpg"],
                "price": 9.99,
                "currency": "EUR",
                "brand": "Acme",
                "color": "red/blue",
                "availability": "in_stock",
                "gtin": "4006381333931",
                "product_type": "Schuhe > Sneaker",
            }
        },
    ),
    FeedCase(
        name="json-a-price-that-is-none",
        source="an object without an amount",
        file="feed.json",
        content=b'[{"id":"a","price":{"from":"1"}}]',
        products={"a": {"price": None}},
        rejected={"bad_price": 1},
    ),
    FeedCase(
        name="json-merchant-api",
        source="Google's Merchant API, products v1",
        file="feed.json",
        content=_content(
            {
                "products": [
                    {
                        "name": "accounts/1/products/en~DE~a",
                        "offerId": "a",
                        "contentLanguage": "en",
                        "productAttributes": {
                            "title": "Shoe",
                            "imageLink": "https://shop/a.jpg",
                            "additionalImageLinks": ["https://shop/b.jpg", "https://shop/c.jpg"],
                            "productTypes": ["Shoes > Sneakers"],
                            "googleProductCategory": "Apparel & Accessories > Shoes",
                            "price": {"amountMicros": "33450000", "currencyCode": "EUR"},
                            "itemGroupId": "g",
                            "ageGroup": "ADULT",
                            "availability": "IN_STOCK",
                            "gtins": ["4006381333931"],
                        },
                    }
                ],
                "nextPageToken": "x",
            }
        ),
        products={
            "a": {
                "title": "Shoe",
                "image_url": "https://shop/a.jpg",
                "additional_image_urls": ["https://shop/b.jpg", "https://shop/c.jpg"],
                "product_type": "Shoes > Sneakers",
                "category_id": 187,
                "price": 33.45,
                "item_group_id": "g",
                "age_group": "ADULT",
                "availability": "in_stock",
                "gtin": "4006381333931",
            }
        },
    ),
    FeedCase(
        name="json-content-api",
        source="Google's Content API for Shopping, products.list",
        file="feed.json",
        content=_content(
            {
                "kind": "content#productsListResponse",
                "resources": [
                    {
                        "kind": "content#product",
                        "id": "online:en:DE:a",
                        "offerId": "a",
                        "title": "Shoe",
                        "imageLink": "https://shop/a.jpg",
                        "googleProductCategory": "187",
                        "price": {"value": "9.99", "currency": "EUR"},
                        "sizes": ["42"],
                    }
                ],
            },
            1,
        ),
        products={"a": {"title": "Shoe", "category_id": 187, "price": 9.99, "size": "42"}},
    ),
    FeedCase(
        name="json-lines-of-openai",
        source="OpenAI's product feed",
        file="feed.jsonl",
        content=_content(
            {
                "is_eligible_search": True,
                "item_id": "a",
                "title": "Shoe",
                "image_url": "https://shop/a.jpg",
                "additional_image_urls": "https://shop/b.jpg,https://shop/c.jpg",
                "price": "79.99 USD",
                "group_id": "g",
                "product_category": "Apparel & Accessories > Shoes",
            }
        ),
        products={
            "a": {
                "image_url": "https://shop/a.jpg",
                "additional_image_urls": ["https://shop/b.jpg", "https://shop/c.jpg"],
                "item_group_id": "g",
                "product_type": "Apparel & Accessories > Shoes",
                "price": 79.99,
            }
        },
    ),
    FeedCase(
        name="json-meta-batch",
        source="requests to Meta's Catalog Batch API",
        file="feed.json",
        content=_content(
            {
                "requests": [
                    {
                        "method": "CREATE",
                        "retailer_id": "a",
                        "data": {"name": "Shoe", "image_url": "https://shop/a.jpg", "price": 10, "currency": "USD"},
                    }
                ]
            }
        ),
        products={"a": {"title": "Shoe", "image_url": "https://shop/a.jpg", "price": 10.0, "currency": "USD"}},
    ),
)
