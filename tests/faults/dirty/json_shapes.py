"""JSON as interfaces and exports write it: arrays, pages, nested attributes, numbers for ids, and broken objects."""

import json

from tests.faults.dirty.feed_case import FeedCase

_SHOES = {"id": "a", "title": "Shoe", "image_link": "https://shop/a.jpg", "google_product_category": "187"}
_CHAIR = {"id": "b", "title": "Chair", "image_link": "https://shop/b.jpg", "google_product_category": "443"}
_BOTH = {"a": {"title": "Shoe", "category_id": 187}, "b": {"title": "Chair", "category_id": 443}}


def _content(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=False).encode()


def _deep() -> bytes:
    return b'[{"id":"a","title":"Shoe"},{"id":"x","title":' + b"[" * 100_000 + b"]" * 100_000 + b'},{"id":"b"}]'


def _huge() -> bytes:
    return b'[{"id":"a"},{"id":"x","title":"' + b"y" * 5_000_000 + b'"},{"id":"b"}]'


CASES = (
    FeedCase(
        name="json-array",
        source="an export of json.dump",
        file="feed.json",
        content=_content([_SHOES, _CHAIR]),
        products=_BOTH,
    ),
    FeedCase(
        name="json-array-pretty-printed",
        source="PHP's json_encode with JSON_PRETTY_PRINT",
        file="feed.json",
        content=_content([_SHOES, _CHAIR], 4),
        products=_BOTH,
    ),
    FeedCase(
        name="json-array-in-a-jsonl-file",
        source="an array saved under the suffix of JSON Lines",
        file="feed.jsonl",
        content=_content([_SHOES, _CHAIR]),
        products=_BOTH,
    ),
    FeedCase(
        name="json-lines-in-a-json-file",
        source="JSON Lines saved under the suffix .json",
        file="feed.json",
        content=_content(_SHOES) + b"\r\n" + _content(_CHAIR),
        products=_BOTH,
    ),
    FeedCase(
        name="json-objects-without-anything-between",
        source="a stream of messages written one after the other",
        file="feed.json",
        content=_content(_SHOES) + _content(_CHAIR),
        products=_BOTH,
    ),
    FeedCase(
        name="json-objects-pretty-printed-one-after-the-other",
        source="the output of jq",
        file="feed.json",
        content=_content(_SHOES, 2) + b"\n" + _content(_CHAIR, 2) + b"\n",
        products=_BOTH,
    ),
    FeedCase(
        name="json-text-sequence",
        source="RFC 7464: a record separator before each object",
        file="feed.json",
        content=b"\x1e" + _content(_SHOES) + b"\n\x1e" + _content(_CHAIR) + b"\n",
        products=_BOTH,
    ),
    FeedCase(
        name="json-below-a-key",
        source="an interface's answer with a page of products",
        file="feed.json",
        content=_content({"status": "ok", "total": 2, "products": [_SHOES, _CHAIR], "next": None}),
        products=_BOTH,
    ),
    FeedCase(
        name="json-pages-one-after-the-other",
        source="pages of an interface appended to one file",
        file="feed.json",
        content=_content({"resources": [_SHOES]}) + b"\n" + _content({"resources": [_CHAIR]}),
        products=_BOTH,
    ),
    FeedCase(
        name="json-below-an-own-key",
        source="a shop's own export with a German key",
        file="feed.json",
        content=_content({"exportdatum": "2024-05-01", "artikel": [_SHOES, _CHAIR]}, 1),
        products=_BOTH,
    ),
    FeedCase(
        name="json-graphql-edges",
        source="GraphQL's connections",
        file="feed.json",
        content=_content({"data": {"products": {"edges": [{"cursor": "1", "node": _SHOES}, {"node": _CHAIR}]}}}),
        products=_BOTH,
    ),
    FeedCase(
        name="json-large-page-streams",
        source="a page that is larger than the window in which it is read",
        file="feed.json",
        content=lambda: _content(
            {"meta": {"n": 1}, "entries": [_SHOES, *[{"id": f"n{n}", "title": "t" * 900} for n in range(300)]]}
        ),
        products={"a": {"category_id": 187}, **{f"n{n}": {"title": "t" * 900} for n in range(300)}},
    ),
    FeedCase(
        name="json-broken-object-in-one-line",
        source="a price with two decimal points, written by hand into a template",
        file="feed.json",
        content=b'[{"id":"a","title":"Shoe"},{"id":"x","price":9.9.9},{"id":"b","title":"Chair"}]',
        products={"a": {"title": "Shoe"}, "b": {"title": "Chair"}},
        rejected={"broken_json": 1},
    ),
    FeedCase(
        name="json-quote-in-a-pretty-printed-title",
        source="a template that escapes nothing: a screen of 24 inches",
        file="feed.json",
        content=_content([_SHOES, {"id": "x", "title": "TV"}, _CHAIR], 2).replace(b'"TV"', b'"24" TV"'),
        products=_BOTH,
        rejected={"broken_json": 1},
    ),
    FeedCase(
        name="json-quote-in-the-last-title",
        source="the same in the last product of an array",
        file="feed.json",
        content=_content({"items": [_SHOES, _CHAIR, {"id": "x", "title": "TV"}]}, 2).replace(b'"TV"', b'"24" TV"'),
        products=_BOTH,
        rejected={"broken_json": 1},
    ),
    FeedCase(
        name="json-quote-without-line-breaks",
        source="the same in one line, where no one can tell where the next product begins",
        file="feed.json",
        content=_content([_SHOES, {"id": "x", "title": "TV"}, _CHAIR]).replace(b'"TV"', b'"24" TV"'),
        refusal=r"feed\.json: broken JSON in line 1 .*where the next product begins is not certain; .*deliver it again",
    ),
    FeedCase(
        name="json-cut-off",
        source="a transfer that was interrupted",
        file="feed.json",
        content=_content([_SHOES, _CHAIR])[:-20],
        refusal=r"feed\.json: the JSON is cut off in line 1; deliver it again, whole",
    ),
    FeedCase(
        name="json-cut-off-between-products",
        source="the same, right behind a product",
        file="feed.json",
        content=_content({"products": [_SHOES, _CHAIR]})[:-2],
        refusal=r"feed\.json: the JSON is cut off in line 1; deliver it again, whole",
    ),
    FeedCase(
        name="json-nested-too-deeply",
        source="a hostile value",
        file="feed.json",
        content=_deep,
        products={"a": {}, "b": {}},
        rejected={"broken_json": 1},
    ),
    FeedCase(
        name="json-huge-product-in-an-array",
        source="a product with an image of its own in base64",
        file="feed.json",
        content=_huge,
        products={"a": {}, "b": {}},
        rejected={"field_too_large": 1},
    ),
    FeedCase(
        name="json-items-that-are-no-objects",
        source="an export with null for deleted products",
        file="feed.json",
        content=b'[null, {"id": "a"}, 7, ["x"], {"id": "b"}]',
        products={"a": {}, "b": {}},
        rejected={"broken_json": 3},
    ),
    FeedCase(
        name="json-array-of-latin-1",
        source="an export of a database in Latin-1",
        file="feed.json",
        content=b'[{"id":"a","title":"Shoe"},{"id":"x","title":"Sch\xfcrze"}]',
        products={"a": {"title": "Shoe"}, "x": {"title": "Schürze"}},
    ),
    FeedCase(
        name="json-text-after-the-array",
        source="a warning of PHP behind the content",
        file="feed.json",
        content=_content([_SHOES, _CHAIR]) + b"\nWarning: memory limit\n",
        products=_BOTH,
        rejected={"broken_json": 1},
    ),
    FeedCase(
        name="json-an-error-page",
        source="an interface's error instead of a feed",
        file="feed.json",
        content=b"<html><body>503</body></html>",
        refusal=r"feed\.json: the file is an HTML page, maybe that of a login or of an error; deliver the feed itself",
    ),
    FeedCase(
        name="json-an-empty-array",
        source="a shop that was emptied by mistake",
        file="feed.json",
        content=b'{"products": []}',
        refusal=r"feed\.json: no product in it",
    ),
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
