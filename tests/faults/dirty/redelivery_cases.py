"""Redeliveries as partners make them: repaired, broken, cut, re-spelled, relinked, relabeled, or of another shop."""

import gzip
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from tests.faults.dirty.redelivery_case import RedeliveryCase

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

BROKEN_HEADERS = (
    RedeliveryCase(
        name="stray-tab-in-the-header",
        source="an export whose template got a stray tab",
        feeds=(GOOD, STRAY_TAB),
        message=MESSAGE_OF_TAB + r".*wrong_field_count 1,000 times, such as row 1: 5 fields where the header has 6",
        current=N,
    ),
    RedeliveryCase(
        name="stray-tab-then-repaired",
        source="the same export, corrected an hour later",
        feeds=(GOOD, STRAY_TAB, feed(ids(N - 10))),
        verdict="passed",
        current=N - 10,
        removed=10,
    ),
    RedeliveryCase(
        name="stray-tab-then-the-former-bytes",
        source="the export of yesterday, delivered again after a broken one",
        feeds=(GOOD, STRAY_TAB, GOOD),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="two-broken-ones-then-repaired",
        source="two attempts at a repair, of which the second is right",
        feeds=(GOOD, STRAY_TAB, STRAY_TAB.replace(b"\t\ttitle", b"\t\t\ttitle", 1), feed(ids(N - 1))),
        verdict="passed",
        current=N - 1,
        removed=1,
    ),
    RedeliveryCase(
        name="header-without-one-column",
        source="a template of which a column's name was deleted",
        feeds=(GOOD, GOOD.replace(b"\ttitle", b"", 1)),
        message=MESSAGE_OF_TAB,
        current=N,
    ),
    RedeliveryCase(
        name="columns-shifted-under-their-header",
        source="a template whose first two columns changed places, and whose data did not",
        feeds=(GOOD, GOOD.replace(b"id\ttitle", b"title\tid", 1)),
        message=r"1,000 of 1,000 products \(100%\) would be removed",
        current=N,
    ),
    RedeliveryCase(
        name="constant-in-the-id-column",
        source="a template whose id column has the shop's name",
        feeds=(GOOD, feed(["hansen"] * N)),
        message=r"Only 1 of 1,000 rows .*duplicate_id 999 times",
        current=N,
    ),
    RedeliveryCase(
        name="empty-id-column",
        source="a database view without the article numbers",
        feeds=(GOOD, feed([""] * N)),
        message=r"Only 0 of 1,000 rows .*missing_id 1,000 times",
        current=N,
    ),
    RedeliveryCase(
        name="xml-ids-without-their-name",
        source="an RSS feed whose id element got another name",
        file="spring.xml",
        feeds=(xml(ids(40)), xml(ids(40), tag="g:article")),
        message=r"Only 0 of 40 rows .*missing_id 40 times",
        current=40,
    ),
    RedeliveryCase(
        name="prices-of-a-broken-export",
        source="an export whose prices have no currency any more",
        feeds=(GOOD, feed(price="about ten")),
        verdict="passed",
        current=N,
    ),
)

CUT = (
    RedeliveryCase(
        name="identical",
        source="a nightly export without a change",
        feeds=(GOOD, GOOD),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="other-order",
        source="a database without an ORDER BY",
        feeds=(
            GOOD,
            feed(
                ids()[::-1],
                link=lambda row: f"https://images.hansen/{N - 1 - row}.jpg",
                category=lambda row: ("2271", "212", "187")[(N - 1 - row) % 3],
            ),
        ),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="half-of-the-rows",
        source="an export that ran into its time limit",
        feeds=(GOOD, feed(ids(N // 2))),
        message=r"500 of 1,000 products \(50%\) would be removed, and at most 30% may be",
        current=N,
    ),
    RedeliveryCase(
        name="just-below-the-limit",
        source="a shop at the end of its season",
        feeds=(GOOD, feed(ids(700))),
        verdict="passed",
        current=700,
        removed=300,
    ),
    RedeliveryCase(
        name="just-above-the-limit",
        source="a shop at the end of its season",
        feeds=(GOOD, feed(ids(699))),
        message=r"301 of 1,000 products \(30%\) would be removed",
        current=N,
    ),
    RedeliveryCase(
        name="half-where-the-partner-may",
        source="a shop of flash sales",
        feeds=(GOOD, feed(ids(N // 2))),
        settings="gate = {max_removed = 0.6}",
        verdict="passed",
        current=N // 2,
        removed=N // 2,
    ),
    RedeliveryCase(
        name="five-percent-where-the-partner-may-not",
        source="a library, which removes nothing",
        feeds=(GOOD, feed(ids(950))),
        settings="gate = {max_removed = 0.01}",
        message=r"50 of 1,000 products \(5%\) would be removed, and at most 1% may be",
        current=N,
    ),
    RedeliveryCase(
        name="header-alone",
        source="an export of an empty database",
        feeds=(GOOD, feed([])),
        verdict="refused",
        message="no product in it",
        current=N,
    ),
    RedeliveryCase(
        name="no-byte",
        source="an export that was interrupted before its first byte",
        feeds=(GOOD, b""),
        verdict="refused",
        message="the file is empty",
        current=N,
    ),
    RedeliveryCase(
        name="empty-channel",
        source="an RSS feed of an empty database",
        file="spring.xml",
        feeds=(xml(ids(40)), xml([])),
        verdict="refused",
        message="no product in it",
        current=40,
    ),
    RedeliveryCase(
        name="cut-compressed-file",
        source="an upload that broke off",
        file="spring.tsv.gz",
        feeds=(gzip.compress(GOOD), gzip.compress(GOOD)[:2_000]),
        verdict="refused",
        message="cut off",
        current=N,
    ),
    RedeliveryCase(
        name="one-product-left",
        source="a test of the export, delivered by mistake",
        feeds=(GOOD, feed(ids(1))),
        message=r"999 of 1,000 products",
        current=N,
    ),
    RedeliveryCase(
        name="erosion-within-the-limit",
        source="a shop that closes department by department",
        feeds=(GOOD, feed(ids(750)), feed(ids(563))),
        verdict="passed",
        current=563,
        removed=437,
    ),
    RedeliveryCase(
        name="season-returns",
        source="a shop whose winter products come back",
        feeds=(GOOD, feed(ids(750)), GOOD),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="small-feed-loses-one",
        source="a boutique that sold one of eight bags",
        feeds=(feed(ids(8)), feed(ids(5))),
        verdict="passed",
        current=5,
        removed=3,
    ),
    RedeliveryCase(
        name="small-feed-loses-all",
        source="a boutique whose export has another shop's bags",
        feeds=(feed(ids(8)), feed(ids(8, first=501))),
        message=r"8 of 8 products \(100%\) would be removed",
        current=8,
    ),
)

SPELLINGS = (
    RedeliveryCase(
        name="ids-in-lower-case",
        source="a shop system that folds case",
        feeds=(GOOD, feed([each.lower() for each in ids()])),
        message=r"ids are those of the served version in another case: 'SKU-1001' has become 'sku-1001'",
        current=N,
    ),
    RedeliveryCase(
        name="ids-with-a-prefix",
        source="a feed manager that puts the country before ids",
        feeds=(GOOD, feed([f"DE_{each}" for each in ids()])),
        message=r"with 'DE_' added at the start: 'SKU-1001' has become 'DE_SKU-1001'",
        current=N,
    ),
    RedeliveryCase(
        name="ids-without-their-prefix",
        source="a feed manager that leaves the shop's code away",
        feeds=(GOOD, feed([each.removeprefix("SKU-") for each in ids()])),
        message=r"with 'SKU-' removed at the start: 'SKU-1001' has become '1001'",
        current=N,
    ),
    RedeliveryCase(
        name="ids-with-a-suffix",
        source="a marketplace that adds the seller",
        feeds=(GOOD, feed([f"{each}@hansen" for each in ids()])),
        message=r"with '@hansen' added at the end",
        current=N,
    ),
    RedeliveryCase(
        name="ids-padded-with-zeros",
        source="a mainframe's fixed-width numbers",
        feeds=(feed([str(each) for each in range(1, N)]), feed([f"{each:08}" for each in range(1, N)])),
        message=r"with other zeros before numbers: '1' has become '00000001'",
        current=N - 1,
    ),
    RedeliveryCase(
        name="ids-as-floating-point-numbers",
        source="a pandas column with missing values",
        feeds=(feed([str(each) for each in range(1, N)]), feed([f"{each}.0" for each in range(1, N)])),
        message=r"with or without '\.0' at the end: '1' has become '1\.0'",
        current=N - 1,
    ),
    RedeliveryCase(
        name="ids-with-other-separators",
        source="a URL builder that replaces hyphens",
        feeds=(GOOD, feed([each.replace("-", "_") for each in ids()])),
        message=r"with other separators: 'SKU-1001' has become 'SKU_1001'",
        current=N,
    ),
    RedeliveryCase(
        name="ids-in-full-width-digits",
        source="a Japanese input method",
        feeds=(GOOD, feed([each.translate({ord("0") + d: 0xFF10 + d for d in range(10)}) for each in ids()])),
        message=r"in other characters for the same letters and digits",
        current=N,
    ),
    RedeliveryCase(
        name="ids-in-another-case-with-other-separators",
        source="a new shop system",
        feeds=(GOOD, feed([each.lower().replace("-", "/00") for each in ids()])),
        message=r"in another case, with other separators or other zeros",
        current=N,
    ),
    RedeliveryCase(
        name="ids-decomposed",
        source="a file that a Mac wrote",
        feeds=(
            feed([f"Größe-{each}" for each in range(50)]),
            feed([unicodedata.normalize("NFD", f"Größe-{each}") for each in range(50)]),
        ),
        verdict="passed",
        current=50,
    ),
    RedeliveryCase(
        name="ids-with-zero-width-spaces",
        source="ids that were copied from a web page",
        feeds=(GOOD, feed([f"\u200b{each[:4]}\u200b{each[4:]}\ufeff" for each in ids()])),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="ids-with-bidirectional-marks",
        source="a spreadsheet with Arabic titles",
        feeds=(GOOD, feed([f"\u202d{each}\u202c\u200e" for each in ids()])),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="ids-between-no-break-spaces",
        source="cells of an HTML table",
        feeds=(GOOD, feed([f"\u00a0{each}\u202f\u3000" for each in ids()])),
        verdict="passed",
        current=N,
    ),
)

LINKS_AND_LABELS = (
    RedeliveryCase(
        name="all-links-lead-to-a-placeholder",
        source="a shop whose image server was not found while it exported",
        feeds=(GOOD, feed(link=lambda _: PLACEHOLDER)),
        message=r"1,000 of 1,000 \(100%\) products would lose their own image link \(1,000 products now share "
        r"'https://cdn\.shop/no-image-yet\.jpg'\)",
        current=N,
    ),
    RedeliveryCase(
        name="a-third-of-the-links-lead-to-a-placeholder",
        source="an image server of which one disk is gone",
        feeds=(GOOD, feed(link=lambda row: f"https://images.hansen/{row}.jpg" if row % 3 else PLACEHOLDER)),
        message=r"334 of 1,000 \(33%\) products would lose their own image link",
        current=N,
    ),
    RedeliveryCase(
        name="no-links",
        source="an export without its image column's content",
        feeds=(GOOD, feed(link=lambda _: "")),
        message=r"1,000 of 1,000 \(100%\) products would lose their own image link",
        current=N,
    ),
    RedeliveryCase(
        name="all-links-on-another-host",
        source="a move to another image server",
        feeds=(GOOD, feed(link=lambda row: f"https://cdn.other/{row}.jpg")),
        message=r"1,000 of 1,000 \(100%\) products would have another image link, and at most 50% may",
        current=N,
    ),
    RedeliveryCase(
        name="all-links-on-another-host-where-the-partner-may",
        source="image links that are signed anew every day",
        feeds=(GOOD, feed(link=lambda row: f"https://images.hansen/{row}.jpg?signature=2")),
        settings="gate = {max_links_changed = 1.0}",
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="links-of-one-product-in-ten",
        source="photographs taken anew",
        feeds=(GOOD, feed(link=lambda row: f"https://images.hansen/{row}{'' if row % 10 else '-2'}.jpg")),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="one-placeholder-all-along",
        source="a shop in which most products never had an image",
        feeds=(feed(link=lambda _: PLACEHOLDER), feed(ids(900), link=lambda _: PLACEHOLDER)),
        verdict="passed",
        current=900,
        removed=100,
    ),
    RedeliveryCase(
        name="categories-emptied",
        source="an export whose category column lost its content",
        feeds=(GOOD, feed(category=lambda _: "")),
        message=r"1,000 of 1,000 \(100%\) labeled products would lose their label, and at most 20% may",
        current=N,
    ),
    RedeliveryCase(
        name="categories-of-another-taxonomy",
        source="a feed manager that writes its own categories",
        feeds=(GOOD, feed(category=lambda row: f"Own / {row % 7}")),
        message=r"labeled products would lose their label.*unknown_category 1,000 times",
        current=N,
    ),
    RedeliveryCase(
        name="one-category-for-all",
        source="a default that overwrote the categories",
        feeds=(GOOD, feed(category=lambda _: "443")),
        message=r"1,000 of 1,000 \(100%\) labeled products would have another label",
        current=N,
    ),
    RedeliveryCase(
        name="a-tenth-relabeled",
        source="a category manager's week",
        feeds=(GOOD, feed(category=lambda row: ("2271", "212", "187")[row % 3] if row % 10 else "443")),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="labels-arrive",
        source="a partner that begins to write categories",
        feeds=(feed(category=lambda _: ""), GOOD),
        verdict="passed",
        current=N,
    ),
)

OTHERS = (
    RedeliveryCase(
        name="feed-of-another-partner",
        source="a file in the wrong folder",
        feeds=(GOOD, feed([f"{each:x}-meier" for each in range(70_000, 71_000)])),
        message=r"1,000 of 1,000 products \(100%\) would be removed.*1,000 of 1,000 products \(100%\) have ids that "
        "are new",
        current=N,
    ),
    RedeliveryCase(
        name="twice-as-many",
        source="a shop with a new department",
        feeds=(GOOD, feed(ids(2 * N))),
        verdict="passed",
        current=2 * N,
    ),
    RedeliveryCase(
        name="ten-times-as-many",
        source="a marketplace's whole catalog in one shop's file",
        feeds=(feed(ids(200)), feed(ids(2 * N))),
        message=r"1,800 of 2,000 products \(90%\) have ids that are new, and at most 80% may",
        current=200,
    ),
    RedeliveryCase(
        name="every-row-twice",
        source="a join that doubles the rows",
        feeds=(
            GOOD,
            feed(
                [each for each in ids() for _ in range(2)],
                link=lambda row: f"https://images.hansen/{row // 2}.jpg",
                category=lambda row: ("2271", "212", "187")[row // 2 % 3],
            ),
        ),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="first-feed-is-good",
        source="a new partner",
        feeds=(GOOD,),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="first-feed-loses-most-rows",
        source="a new partner whose export has a stray tab",
        feeds=(STRAY_TAB,),
        message=r"nothing of it is in the catalog yet\. Only 0 of 1,000 rows",
    ),
    RedeliveryCase(
        name="first-feed-then-repaired",
        source="a new partner, a day later",
        feeds=(STRAY_TAB, GOOD),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="first-feed-loses-some-rows",
        source="a new partner with products without a number",
        feeds=(feed([*ids(60), *([""] * 40)]),),
        verdict="passed",
        current=60,
    ),
)

PARTS = (
    RedeliveryCase(
        name="three-parts-become-one",
        source="a big feed that was cut",
        feeds=(GOOD, feed(ids(300))),
        max_rows=(400,),
        message=r"700 of 1,000 products \(70%\) would be removed",
        current=N,
    ),
    RedeliveryCase(
        name="three-parts-become-two",
        source="a big feed that lost a fifth of its products",
        feeds=(GOOD, feed(ids(800))),
        max_rows=(400,),
        verdict="passed",
        current=800,
        removed=200,
    ),
    RedeliveryCase(
        name="one-part-of-three-is-broken",
        source="a big export of which one worker wrote rows without numbers",
        feeds=(GOOD, feed([*ids(400), *([""] * 400), *ids(200, first=801)])),
        max_rows=(400,),
        message=r"400 of 1,000 products \(40%\) would be removed.*missing_id 400 times",
        current=N,
    ),
    RedeliveryCase(
        name="one-delivery-becomes-parts",
        source="a feed that outgrew its delivery",
        feeds=(feed(ids(390)), feed(ids(410))),
        max_rows=(400,),
        verdict="passed",
        current=410,
    ),
    RedeliveryCase(
        name="rows-shift-between-parts",
        source="a new first row that moves every product by one",
        feeds=(
            GOOD,
            feed(
                [*ids(1, first=2000), *ids()],
                link=lambda row: f"https://images.hansen/{row - 1}.jpg",
                category=lambda row: ("2271", "212", "187")[(row - 1) % 3],
            ),
        ),
        max_rows=(250,),
        verdict="passed",
        current=N + 1,
    ),
    RedeliveryCase(
        name="parts-of-another-size",
        source="a project that allows bigger deliveries",
        feeds=(GOOD, GOOD),
        max_rows=(250, 600),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="broken-header-of-a-feed-in-parts",
        source="a big export with a stray tab",
        feeds=(GOOD, STRAY_TAB),
        max_rows=(300,),
        message=MESSAGE_OF_TAB,
        current=N,
    ),
    RedeliveryCase(
        name="broken-header-of-a-feed-in-parts-then-repaired",
        source="a big export, corrected",
        feeds=(GOOD, STRAY_TAB, feed(ids(N - 100))),
        max_rows=(300,),
        verdict="passed",
        current=N - 100,
        removed=100,
    ),
)

CASES = (*BROKEN_HEADERS, *CUT, *SPELLINGS, *LINKS_AND_LABELS, *OTHERS, *PARTS)
