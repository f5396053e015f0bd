"""XML feeds: RSS and Atom are streamed, and attacks that XML allows are refused."""

import pytest

from catalog.feeds.feed import FeedError
from tests.catalog.feeds.reading import Endless, Trickle, as_rss, read

OPEN = b'<rss xmlns:g="http://base.google.com/ns/1.0"><channel>'
CLOSE = b"</channel></rss>"
ITEM = b"<item><g:id>a</g:id><g:title>Shoe</g:title></item>"


def test_google_s_attributes_go_before_rss_s_and_foreign_ones_never_count() -> None:
    item = (
        b'<item xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>foreign</dc:title><title>own</title>'
        b"<g:title>google</g:title><g:title>again</g:title><id>own</id><product_type> </product_type></item>"
    )
    rows = read("google_xml", OPEN + item + CLOSE).rows
    assert rows.row(0)[:4] == (1, "own", "google", None)
    assert set(rows.row(0)[4:]) == {None}


def test_elements_inside_an_attribute_are_not_the_product_s() -> None:
    item = b"<item><g:shipping><g:id>ship</g:id></g:shipping><g:id>a<b>x</b></g:id></item>"
    assert read("google_xml", OPEN + item + CLOSE).rows["item_id"].to_list() == ["a"]


def test_entities_and_cdata_become_text() -> None:
    item = b"<item><g:id>a</g:id><g:title>A &amp; B &gt; <![CDATA[<C>]]> &#228;</g:title></item>"
    assert read("google_xml", OPEN + item + CLOSE).rows["title"][0] == "A & B > <C> ä"


def test_an_item_without_an_id_is_a_row_without_an_id() -> None:
    rows = read("google_xml", OPEN + ITEM + b"<item/>" + CLOSE).rows
    assert rows.select("row", "item_id").rows() == [(1, "a"), (2, None)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_the_encoding_that_the_document_declares_is_used(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><rss><item><id>ä</id></item></rss>'
    assert read("google_xml", text.encode(encoding)).rows["item_id"].to_list() == ["ä"]


@pytest.mark.parametrize("num_bytes", [1, 2, 7])
def test_it_does_not_matter_how_the_bytes_arrive(num_bytes: int) -> None:
    content = as_rss([("ä", "Shoe & Söhne", "u", "", "", "A > B")] * 3)
    assert read("google_xml", Trickle(content, num_bytes)).rows.equals(read("google_xml", content).rows)


def test_a_feed_cut_off_at_any_byte_is_refused_whole() -> None:
    content = as_rss([("a", "Shoe", "u", "", "187", ""), ("b", "Hat", "", "", "", "")])
    for end in range(1, len(content)):
        with pytest.raises(FeedError, match=r"^feed\.x: broken XML .*deliver it again"):
            read("google_xml", content[:end])


BOMB = b"<!DOCTYPE rss [" + b"".join(
    b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"lol") for n in range(10)
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BOMB + b"]><rss><item><id>&e9;</id></item></rss>", "it declares a document type"),
        (
            b'<!DOCTYPE rss [<!ENTITY f SYSTEM "file:///etc/passwd">]><rss><item><id>&f;</id></item></rss>',
            "it declares a document type",
        ),
        (b"<!DOCTYPE rss [<!ELEMENT rss ANY>]><rss><item><id>a</id></item></rss>", "it declares a document type"),
        (b"Internal Server Error", "broken XML .it has no element"),
        (b'<?xml version="1.0" encoding="klingon"?><rss/>', "no product in it"),
        (b"<html><body>Please log in</body></html>", "the root is <html>, not <rss> or <feed>.*feed_shapes.toml"),
        (OPEN + CLOSE, "no product in it"),
        (b"", "the file is empty"),
    ],
)
def test_a_document_that_is_no_feed_is_refused_by_name(content: bytes, problem: str) -> None:
    with pytest.raises(FeedError, match=rf"^feed\.x: {problem}"):
        read("google_xml", content)


def test_a_document_type_that_declares_nothing_is_read_over_and_nothing_is_loaded() -> None:
    start = b'<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://elsewhere/rss.dtd">'
    assert read("google_xml", start + OPEN + ITEM + CLOSE).rows["item_id"].to_list() == ["a"]


def test_a_broken_product_is_a_rejected_row_with_its_line_and_the_others_are_read() -> None:
    broken = b"<item>\n<g:id>b</g:id><g:shipping>\n</item>"
    batch = read("google_xml", OPEN + ITEM + b"\n" + broken + ITEM + CLOSE)
    assert batch.rows.select("row", "item_id").rows() == [(1, "a"), (3, "a")]
    detail = "line 2: mismatched tag in line 4; <g:shipping> has no end tag"
    assert batch.rejected.rows() == [(2, broken.decode(), "broken_xml", detail)]


def test_a_broken_attribute_is_left_out_of_its_product_and_is_a_rejected_row() -> None:
    item = b"<item><g:id>b</g:id><g:title>Shoe</g:name><g:image_link>http://a</g:image_link></item>"
    batch = read("google_xml", OPEN + item + CLOSE)
    assert batch.rows.select("row", "item_id", "title", "image_url").rows() == [(1, "b", None, "http://a")]
    assert batch.rejected.select("row", "reason").rows() == [(1, "broken_attribute")]
    assert batch.num_rows == 1


@pytest.mark.parametrize("start", [b"<rss><!-- ", b'<rss><item a="'])
def test_a_tag_or_comment_without_end_is_refused_before_it_fills_the_memory(start: bytes) -> None:
    with pytest.raises(FeedError, match="a tag or comment longer than 4,000,000 bytes"):
        read("google_xml", Endless(start, b"x" * 40_000, 1_000_000, b""))


@pytest.mark.parametrize("depth", [1, 50, 97])
def test_nesting_within_a_product_is_read_over(depth: int) -> None:
    nested = b"<x>" * depth + b"</x>" * depth
    assert read("google_xml", OPEN + b"<item>" + nested + b"</item>" + ITEM + CLOSE).rows.height == 2
