"""Feeds of a thousand products, of which redeliveries are made."""

from collections.abc import Callable, Iterable, Sequence

HEADER = ("id", "title", "image_link", "google_product_category", "price")
N = 1_000


def ids(number: int = N, first: int = 1) -> list[str]:
    """SKU-1001 and so on: without leading zeros."""
    return [f"SKU-{1000 + each}" for each in range(first, first + number)]


def feed(
    names: Sequence[str] = tuple(ids()),
    *,
    link: Callable[[int], str] = lambda row: f"https://images.hansen/{row}.jpg",
    category: Callable[[int], str] = lambda row: ("2271", "212", "187")[row % 3],
    price: str = "12.99 EUR",
    header: Sequence[str] = HEADER,
    separator: str = "\t",
) -> bytes:
    """A feed with a row for each id; links and categories are functions of the number in the id's place."""
    rows = [(each, f"Product {row}", link(row), category(row), price) for row, each in enumerate(names)]
    return b"".join(_line(each, separator) for each in [header, *rows])


def _line(fields: Iterable[str], separator: str) -> bytes:
    return f"{separator.join(fields)}\n".encode()


def xml(names: Sequence[str], tag: str = "g:id") -> bytes:
    items = "".join(
        f"<item><{tag}>{each}</{tag}><g:title>{each}</g:title><g:image_link>https://images.hansen/{each}.jpg"
        "</g:image_link><g:google_product_category>187</g:google_product_category></item>"
        for each in names
    )
    return (
        '<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Hansen</title>'
        f"{items}</channel></rss>"
    ).encode()


GOOD = feed()
STRAY_TAB = GOOD.replace(b"id\ttitle", b"id\t\ttitle", 1)
PLACEHOLDER = "https://cdn.shop/no-image-yet.jpg"
MESSAGE_OF_TAB = r"Only 0 of 1,000 rows .* at least 50% must.*1,000 of 1,000 products \(100%\) would be removed"
