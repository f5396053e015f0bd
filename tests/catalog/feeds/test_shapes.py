"""Shapes of XML feeds: the shipped table, and what is said of a mistake in the user's own."""

import io
import re

import pytest

from catalog.feeds.feed import ATTRIBUTES, ReadOptions
from catalog.feeds.google_xml import read_google_xml
from catalog.feeds.shapes import all_shapes, parse_shapes, shipped_shapes
from catalog.feeds.xml_categories import Categories
from tests.build_cache import REPOSITORY

SHAPE = "[own]\nitem = 'a/b'\n[own.attributes]\nid = '@nr'\n"


def test_every_shipped_shape_has_an_id_and_known_attributes() -> None:
    for shape in shipped_shapes():
        assert set(shape.attributes) == set(ATTRIBUTES)
        assert shape.attributes["id"]


def test_a_shape_of_the_user_goes_before_a_shipped_one_of_its_name() -> None:
    own = parse_shapes(SHAPE.replace("own", "heureka"), "feed_shapes.toml")
    assert [shape.name for shape in all_shapes(own)].count("heureka") == 1
    assert all_shapes(own)[0] is own[0]


def test_the_fingerprint_changes_with_every_shape() -> None:
    options = [ReadOptions(shapes=parse_shapes(text, "f")) for text in ("", SHAPE, SHAPE.replace("@nr", "@no"))]
    assert len({each.fingerprint for each in options}) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[own", "not TOML"),
        ("own = 1", "[own] names no product; write item = 'ELEMENT'"),
        ("[own]\nroot = 'x'", "[own] names no product; write item = 'ELEMENT'"),
        ("['o w n']\nitem = 'x'", "has a bad name"),
        (SHAPE.replace("item = 'a/b'", "item = 'a//b'"), "has item = 'a//b'"),
        (SHAPE.replace("item = 'a/b'", "item = '<b>'"), "has item = '<b>'; write the name of one element"),
        (SHAPE.replace("[own.att", "rot = 'x'\n[own.att"), "has rot = 'x'; it may have root, item, categories"),
        (SHAPE.replace("id =", "identity ="), "has the attribute 'identity'; attributes are id, title"),
        (SHAPE.replace("id =", "title ="), "has no id; write id = 'ELEMENT'"),
        (SHAPE.replace("'@nr'", "'@nr/x'"), "has id = '@nr/x', where '@nr/x' is no path; write NAME, PARENT/NAME"),
        (SHAPE.replace("'@nr'", "3"), "has id = 3; write 'PATH' or ['PATH', 'PATH']"),
        (SHAPE.replace("'@nr'", "[]"), "has id = []; write 'PATH'"),
        (SHAPE.replace("[own.att", "currency = 5\n[own.att"), "has currency = 5; write 'PATH'"),
        (SHAPE.replace("[own.att", "is_google = 'x'\n[own.att"), "has is_google = 'x'"),
        ("".join(SHAPE.replace("own", f"own{n}") for n in range(201)), "201 shapes, more than 200"),
    ],
)
def test_a_mistake_is_named_with_file_shape_value_and_way_out(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^feed_shapes\.toml: ") as caught:
        parse_shapes(text, "feed_shapes.toml")
    assert re.search(re.escape(words), str(caught.value))


def test_categories_that_are_each_other_s_parents_end() -> None:
    categories = Categories()
    categories.add({b"id": b"1", b"parentId": b"2"}, b"A &amp; B</category>")
    categories.add({b"id": b"2", b"parentId": b"1"}, b"<![CDATA[C]]></category>")
    assert categories.path("1").endswith("C > A & B")
    assert categories.path("3") == "3"


def test_the_example_of_the_documentation_reads_its_feed() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "xml-feeds.md").read_text()
    toml, feed = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("toml", "xml"))
    options = ReadOptions(shapes=parse_shapes(toml, "feed_shapes.toml"))
    (batch,) = read_google_xml(io.BytesIO(feed.encode()), "feed.x", options)
    columns = ("item_id", "title", "image_url", "price", "color")
    assert batch.rows.select(columns).rows() == [("a1", "Kleid", "https://shop.example/a1.jpg", "12.50 EUR", "rot")]
    for shape in shipped_shapes():
        assert f"`{shape.name}`" in page
