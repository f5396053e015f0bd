"""Redeliveries of feeds that are several deliveries."""

from tests.faults.dirty.redelivered_feeds import GOOD, MESSAGE_OF_TAB, STRAY_TAB, N, feed, ids
from tests.faults.dirty.redelivery_case import RedeliveryCase

CASES = (
    RedeliveryCase(
        name="three-parts-become-one",
        source="a big feed that was cut",
        feeds=(GOOD, feed(ids(300))),
        max_rows=(400,),
        message=r"700 of 1,000 products \(70%\) would be removed",
        current=N,
    ),
    RedeliveryCase(
        name="an-old-version-returns-in-parts",
        source="a backup of last year, restored by mistake",
        feeds=(feed(ids(500)), GOOD, feed(ids(500))),
        max_rows=(400,),
        message=r"500 of 1,000 products \(50%\) would be removed",
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
