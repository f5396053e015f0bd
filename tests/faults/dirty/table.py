"""All dirty feeds, by what is odd about them."""

from tests.faults.dirty import (
    accepted,
    categories,
    containers,
    data_frames,
    dialects,
    encodings,
    json_shapes,
    prices,
    shop_exports,
    spreadsheets,
)
from tests.faults.dirty.feed_case import FeedCase

FEED_CASES: tuple[FeedCase, ...] = (
    *accepted.CASES,
    *json_shapes.CASES,
    *shop_exports.CASES,
    *prices.CASES,
    *categories.CASES,
    *encodings.CASES,
    *dialects.CASES,
    *containers.CASES,
    *spreadsheets.CASES,
    *data_frames.CASES,
)
