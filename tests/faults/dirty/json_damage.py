"""JSON with broken, cut off, endless or foreign parts."""

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
)
