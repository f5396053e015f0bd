"""JSON Lines: one object per line; a broken line is rejected, and the others are read."""

import pytest

from catalog.feeds.feed import FeedError
from tests.catalog.feeds.reading import read

FIRST = b'{"id": "a", "title": "Shoe"}\n'


def test_values_are_read_as_the_other_formats_have_them() -> None:
    line = (
        b'{"g:id": 7, "Image Link": "http://x", "title": null, "price": 12.5, "gtin": 4006381333931,'
        b' "additional_image_link": ["http://1", "http://2"], "unknown": {"deep": [1]}}'
    )
    row = read("json_lines", line).rows.row(0, named=True)
    assert (row["item_id"], row["image_url"], row["title"]) == ("7", "http://x", None)
    assert (row["price"], row["gtin"]) == ("12.5", "4006381333931")
    assert row["additional_image_urls"] == "http://1,http://2"


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b'{"id": "b"', "broken_json", "no JSON: "),
        (b"[1, 2]", "broken_json", "a JSON list, not an object"),
        (b'"text"', "broken_json", "a JSON str, not an object"),
        (b"[" * 100_000, "broken_json", ""),
        (b'{"id": ["b"]}', "wrong_type", "id is a JSON list; write it as a string"),
        (b'{"id": true}', "wrong_type", "id is a JSON bool; write it as a string"),
        (b'{"id": {"x": "b"}}', "wrong_type", "id is a JSON dict"),
        (b'{"id": "\\ud800"}', "invalid_utf8", "id is not UTF-8"),
        (b'{"id": "b\\u0000"}', "nul_byte", "id is text with a NUL byte"),
        (b'{"id": "b", "x": "' + b"y" * 4_000_000 + b'"}', "field_too_large", "the row is longer than 4,000,000 bytes"),
    ],
)
def test_a_line_that_is_no_product_is_rejected_alone(line: bytes, reason: str, detail: str) -> None:
    batch = read("json_lines", FIRST + line + b"\n\n" + b'{"id": "c"}')
    assert batch.rows.select("row", "item_id").rows() == [(1, "a"), (3, "c")]
    [rejected] = batch.rejected.rows(named=True)
    assert (rejected["row"], rejected["reason"]) == (2, reason)
    assert detail in rejected["detail"]
    assert len(rejected["raw"]) <= 2_000


def test_a_file_whose_first_line_is_no_object_is_refused() -> None:
    with pytest.raises(
        FeedError, match=r"feed\.x: does not start with a JSON object or array; check the file's format"
    ):
        read("json_lines", b"id\ttitle\na\tShoe\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_read(encoding: str) -> None:
    content = (FIRST + b'{"id": "b", "title": "K\xc3\xa4se"}\n').decode().encode(encoding)
    assert read("json_lines", content).rows.select("item_id", "title").rows() == [("a", "Shoe"), ("b", "Käse")]


def test_of_a_repeated_key_the_first_with_a_value_counts() -> None:
    assert read("json_lines", b'{"id": "a", "title": null, "g:title": "Shoe"}').rows["title"].to_list() == ["Shoe"]


def test_a_byte_order_mark_does_no_harm() -> None:
    assert read("json_lines", b"\xef\xbb\xbf" + FIRST).rows["item_id"].to_list() == ["a"]
