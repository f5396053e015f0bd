"""All dirty feeds, by what is odd about them."""

from tests.faults.dirty import accepted
from tests.faults.dirty.feed_case import FeedCase

FEED_CASES: tuple[FeedCase, ...] = (*accepted.CASES,)
