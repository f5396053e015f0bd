"""XML that is whole gives what a strict parser reads; damage to some products never costs another one."""

import io
import random

import pytest

from catalog.feeds.feed import MAX_FIELD_BYTES, FeedError
from catalog.feeds.google_xml import read_google_xml
from catalog.feeds.xml_elements import RUN_BYTES
from catalog.feeds.xml_tags import AHEAD_FACTOR, MAX_AHEAD_BYTES, AheadBudget
from tests.catalog.feeds.reading import Trickle, read
from tests.catalog.feeds.xml_oracle import products

OPEN = b'<?xml version="1.0"?>\n<rss xmlns:g="http://base.google.com/ns/1.0"><channel><title>x</title>\n'
CLOSE = b"</channel></rss>"
TITLES = (
    b"Sh\xc3\xb6e &amp; <![CDATA[a <b>x</b> </item><item>]]>",
    b"<![CDATA[Big &nbsp; <p>]]><!-- <item> -->",
    b"plain &lt;b&gt; &#228;",
    b"<b>bold</b> text <g:id>no</g:id>",
)
PIECES = (
    *(b"<item>", b"</item>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"&", b"<", b">", b"&nbsp;", b"\0", b"\xff", b'"'),
    *(b"<g:x>", b"</g:id>", b"<?a", b"?>", b"/>", b"<g:id>", b"</g:title>"),
)
NUM_PRODUCTS = 12
NUM_BLOCKS = 10


def item(number: int, dice: random.Random) -> bytes:
    """A product as feeds have them, with much of what XML allows."""
    nested = dice.choice([b"", b"<g:shipping><g:price>3</g:price></g:shipping>", b"<a><item><g:id>x</g:id></item></a>"])
    link = b"<g:image_link>http://a/%d.jpg</g:image_link>" % number
    title = b"<g:title>%s</g:title><!-- c -->" % dice.choice(TITLES)
    return b"<item>\n<g:id>i%d</g:id>\n%s\n%s%s\n</item>\n" % (number, title, nested, link)


def damaged(content: bytes, dice: random.Random) -> bytes:
    """A product that is broken anywhere between its tags, or has lost its end."""
    place = dice.randrange(6, len(content) - 9)
    return dice.choice(
        [
            content[:place] + dice.choice(PIECES) + content[place:],
            content[:place] + content[min(len(content) - 9, place + dice.randrange(1, 15)) :],
            content[:place] + bytes([dice.randrange(256)]) + content[place + 1 :],
            content.replace(b"</item>\n", b""),
            content[:place] + b"\n",
            content.replace(dice.choice(PIECES[2:]), b"", 1),
        ]
    )


@pytest.mark.parametrize("seed", range(60))
def test_damage_to_some_products_costs_no_other(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(8):
        contents = [item(number, dice) for number in range(NUM_PRODUCTS)]
        hit = dice.sample(range(NUM_PRODUCTS), dice.choice([1, 1, 2]))
        for number in hit:
            contents[number] = damaged(contents[number], dice)
        batch = read("google_xml", OPEN + b"".join(contents) + CLOSE)
        kept = set(batch.rows["item_id"])
        assert {f"i{number}" for number in range(NUM_PRODUCTS) if number not in hit} <= kept
        num_rejected = batch.rejected.height + batch.rows["item_id"].null_count()
        assert NUM_PRODUCTS - len(kept & {f"i{number}" for number in range(NUM_PRODUCTS)}) <= num_rejected + len(hit)


@pytest.mark.parametrize("seed", range(20))
def test_whole_documents_give_what_a_strict_parser_reads(seed: int) -> None:
    dice = random.Random(seed)
    content = OPEN + b"".join(item(number, dice) for number in range(40)) + CLOSE
    batch = read("google_xml", content)
    expected = products(content)
    assert expected is not None
    assert batch.rows["item_id"].to_list() == [each.get("id") for each in expected]
    assert batch.rows["title"].to_list() == [each.get("title") for each in expected]
    assert batch.rows["image_url"].to_list() == [each.get("image_link") for each in expected]
    assert batch.rejected.is_empty()


@pytest.mark.parametrize("num_bytes", [1, 3, 1000])
def test_it_does_not_matter_how_the_bytes_of_a_broken_feed_arrive(num_bytes: int) -> None:
    dice = random.Random(7)
    contents = [item(number, dice) for number in range(NUM_PRODUCTS)]
    contents[3], contents[8] = damaged(contents[3], dice), contents[8].replace(b"</g:title>", b"")
    content = OPEN + b"".join(contents) + CLOSE
    whole, pieces = read("google_xml", content), read("google_xml", Trickle(content, num_bytes))
    assert whole.rows.equals(pieces.rows)
    assert whole.rejected.equals(pieces.rejected)


def test_products_that_are_parsed_together_break_one_by_one() -> None:
    items = [b"<item><g:id>%d</g:id><g:title>%s</g:title></item>\n" % (n, b"x" * 500) for n in range(1_000)]
    assert sum(map(len, items)) > 3 * RUN_BYTES
    for number in range(0, 1_000, 100):
        items[number] = b"<item><g:id>%d</g:id><g:shipping></item>\n" % number
    batch = read("google_xml", OPEN + b"".join(items) + CLOSE)
    assert batch.rejected["row"].to_list() == list(range(1, 1_001, 100))
    assert batch.rejected["detail"][1].startswith("line 103: mismatched tag in line 103")
    assert batch.rows.height == 990


def test_a_broken_product_of_megabytes_takes_little_time_and_its_raw_text_is_short() -> None:
    broken = b"<item>" + b"<g:a>x</g:a> <!-- <![CDATA[ & < " * 50_000 + b"</item>"
    batch = read("google_xml", OPEN + item(1, random.Random(1)) + broken + item(2, random.Random(1)) + CLOSE)
    assert batch.rows["item_id"].to_list() == ["i1", "i2"]
    assert batch.rejected["raw"].str.len_chars().max() <= 2_000


def test_products_of_which_none_has_an_end_are_refused() -> None:
    with pytest.raises(FeedError, match="nested more than 100 deep"):
        read("google_xml", OPEN + b"<item><g:id>a</g:id>\n" * 1_000 + CLOSE)


def test_an_attribute_that_is_too_long_costs_its_row_alone() -> None:
    long = b"<item><g:id>long</g:id><g:title>" + b"x" * (MAX_FIELD_BYTES + 1) + b"</g:title></item>"
    batch = read("google_xml", OPEN + item(1, random.Random(1)) + long + CLOSE)
    assert batch.rows["item_id"].to_list() == ["i1"]
    assert batch.rejected["reason"].to_list() == ["field_too_large"]


def test_a_feed_is_read_in_batches_while_it_streams_by() -> None:
    items = b"".join(b"<item><g:id>%d</g:id></item>" % n for n in range(25_000))
    heights = [batch.rows.height for batch in read_google_xml(io.BytesIO(OPEN + items + CLOSE), "feed.x")]
    assert heights == [10_000, 10_000, 5_000]


@pytest.mark.parametrize("num_unended", [1, 20, 90])
def test_what_is_behind_products_without_end_is_not_looked_over_for_each_of_them(
    num_unended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = 0

    class Counting(AheadBudget):
        def spend(self, num_bytes: int) -> None:
            nonlocal spent
            spent += num_bytes
            super().spend(num_bytes)

    monkeypatch.setattr("catalog.feeds.xml_item_ends.AheadBudget", Counting)
    block = b"<item>" * num_unended + b"<x/>" * 5_000 + b"</item><item><g:id>whole</g:id></item>"
    batch = read("google_xml", OPEN + block * NUM_BLOCKS + CLOSE)
    assert batch.rows["item_id"].to_list().count("whole") == NUM_BLOCKS
    assert spent < MAX_AHEAD_BYTES + (AHEAD_FACTOR + 1) * NUM_BLOCKS * len(block)
