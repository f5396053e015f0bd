"""All dirty feeds, by what is odd about them."""

from tests.faults.dirty import (
    accepted,
    categories,
    containers,
    data_frames,
    dialects,
    encodings,
    json_attributes,
    json_damage,
    json_shapes,
    prices,
    shop_exports,
    shopify_exports,
    spreadsheets,
    xml_comparisons,
    xml_damage,
    xml_documents,
    xml_shapes,
)
from tests.faults.dirty.feed_case import FeedCase

FEED_CASES: tuple[FeedCase, ...] = (
    *accepted.CASES,
    *categories.CASES,
    *containers.CASES,
    *data_frames.CASES,
    *dialects.CASES,
    *encodings.CASES,
    *json_attributes.CASES,
    *json_damage.CASES,
    *json_shapes.CASES,
    *prices.CASES,
    *shop_exports.CASES,
    *shopify_exports.CASES,
    *spreadsheets.CASES,
    *xml_comparisons.CASES,
    *xml_damage.CASES,
    *xml_documents.CASES,
    *xml_shapes.CASES,
)
