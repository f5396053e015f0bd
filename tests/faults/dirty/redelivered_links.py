"""Redeliveries whose links or labels are others."""

from tests.faults.dirty.redelivered_feeds import GOOD, PLACEHOLDER, N, feed, ids
from tests.faults.dirty.redelivery_case import RedeliveryCase

CASES = (
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
