"""Redeliveries whose header is broken."""

from tests.faults.dirty.redelivered_feeds import GOOD, MESSAGE_OF_TAB, STRAY_TAB, N, feed, ids, xml
from tests.faults.dirty.redelivery_case import RedeliveryCase

CASES = (
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
