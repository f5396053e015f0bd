"""JSON as interfaces and exports write it: arrays, lines, pages, and objects one after the other."""

import json

from tests.faults.dirty.feed_case import FeedCase

_SHOES = {"id": "a", "title": "Shoe", "image_link": "https://shop/a.jpg", "google_product_category": "187"}
_CHAIR = {"id": "b", "title": "Chair", "image_link": "https://shop/b.jpg", "google_product_category": "443"}
_BOTH = {"a": {"title": "Shoe", "category_id": 187}, "b": {"title": "Chair", "category_id": 443}}


def _content(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=False).encode()


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
)
