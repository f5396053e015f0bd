"""Redeliveries of another shop, and first deliveries that lose most of their rows."""

from tests.faults.dirty.redelivered_feeds import GOOD, STRAY_TAB, N, feed, ids
from tests.faults.dirty.redelivery_case import RedeliveryCase

CASES = (
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
        name="an-old-version-returns",
        source="a backup of last year, restored by mistake",
        feeds=(feed(ids(400)), GOOD, feed(ids(400))),
        message=r"600 of 1,000 products \(60%\) would be removed",
        current=N,
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
