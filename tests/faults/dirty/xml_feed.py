"""An XML feed of three products, of which the second is broken, or something around them."""

from typing import Any

from tests.faults.dirty.feed_case import FeedCase

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
OPEN = b'<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>\n'
CLOSE = b"</channel></rss>\n"
FIRST = b"<item><g:id>a</g:id><g:title>Hat</g:title></item>\n"
LAST = b"<item><g:id>z</g:id><g:title>Sock</g:title></item>\n"


def feed(item: bytes, start: bytes = DECLARATION, end: bytes = CLOSE) -> bytes:
    """A feed in which this is the second of three products."""
    return start + OPEN + FIRST + item + b"\n" + LAST + end


def case(
    name: str, source: str, item: bytes, kept: dict[str, Any] | None = None, rejected: str = "", **others: Any
) -> FeedCase:
    """A case of which the first and last product are never lost; the second is `b`, with these columns, or lost."""
    products = {"a": {"title": "Hat"}, "z": {"title": "Sock"}} | ({} if kept is None else {"b": kept})
    return FeedCase(
        name=f"xml-{name}",
        source=source,
        file="spring.xml",
        content=others.pop("content", None) or feed(item),
        products=products | others.pop("more", {}),
        rejected={rejected: 1} if rejected else {},
        **others,
    )


def item_b(rest: bytes, title: bytes = b"Shoe") -> bytes:
    return b"<item><g:id>b</g:id><g:title>" + title + b"</g:title>" + rest + b"</item>"


SHOE = {"title": "Shoe"}
