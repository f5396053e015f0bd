"""All dirty feeds, by what is odd about them."""

from tests.faults.dirty import (
    accepted,
    containers,
    data_frames,
    dialects,
    encodings,
    spreadsheets,
    xml_comparisons,
    xml_damage,
    xml_documents,
    xml_shapes,
)
from tests.faults.dirty.feed_case import FeedCase

FEED_CASES: tuple[FeedCase, ...] = (
    *accepted.CASES,
    *encodings.CASES,
    *dialects.CASES,
    *containers.CASES,
    *spreadsheets.CASES,
    *data_frames.CASES,
    *xml_shapes.CASES,
    *xml_comparisons.CASES,
    *xml_damage.CASES,
    *xml_documents.CASES,
)
