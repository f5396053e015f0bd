"""Every dirty feed of the table gives the products and rejections that it should, or a refusal that names the fault."""

from collections import Counter
from pathlib import Path

import pytest

from catalog.feeds.sources import InboxError
from tests.faults.dirty.feed_case import FeedCase
from tests.faults.dirty.running import parsed
from tests.faults.dirty.table import FEED_CASES


@pytest.mark.parametrize("case", FEED_CASES, ids=lambda case: case.name)
def test_dirty_feed(case: FeedCase, tmp_path: Path) -> None:
    if case.refusal:
        with pytest.raises(InboxError, match=case.refusal):
            parsed(case, tmp_path)
        return
    feed = parsed(case, tmp_path)
    rows = {row["item_id"]: row for row in feed.products.iter_rows(named=True)}
    assert {name: {column: rows[name][column] for column in wanted} for name, wanted in case.products.items()} == dict(
        case.products
    )
    assert set(rows) == set(case.products)
    assert Counter(feed.rejected["reason"]) == case.rejected


def test_names_are_unique() -> None:
    assert not [name for name, number in Counter(each.name for each in FEED_CASES).items() if number > 1]
