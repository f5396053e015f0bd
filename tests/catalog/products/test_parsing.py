"""Products of a delivery's rows."""

import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds.feed import DEFAULT_OPTIONS, FeedError
from catalog.feeds.formats import FEED_READERS
from catalog.products import parsing as products
from catalog.products.item_ids import normalized_ids
from catalog.products.parsing import PRODUCTS_SCHEMA, REJECTED_SCHEMA, ParsedFeed, PartnerSettings, parse_products
from catalog.taxonomy.tree import Taxonomy
from tests.catalog.feeds.reading import WRITERS, Row

TAXONOMY = Taxonomy.parse("1 - Clothing\n2 - Clothing > Shoes\n3 - Clothing > Hats\n", "taxonomy.txt")
ACME = PartnerSettings(partner_id="acme", product_types={"Kopf > Hüte": "Clothing > Hats", "Footwear": "2"})


def item(item_id: str, *, google: str = "", own: str = "", image: str = "u", title: str = "t") -> Row:
    return (item_id, title, image, "", google, own)


def parsed_feed(*rows: Row, feed_format: str = "google_tsv", partner: PartnerSettings = ACME) -> ParsedFeed:
    return parsed_from(WRITERS[feed_format](rows), feed_format, partner)


def parsed_from(content: bytes, feed_format: str = "google_tsv", partner: PartnerSettings = ACME) -> ParsedFeed:
    batches = FEED_READERS[feed_format](io.BytesIO(content), "feed.x", DEFAULT_OPTIONS)
    return parse_products(batches, partner=partner, delivery="acme.feed", taxonomy=TAXONOMY)


def test_a_product_is_its_row_with_an_id_of_the_partner_s_and_its_delivery() -> None:
    parsed = parsed_feed(("a", "Shoe", "http://u", "g1", "2", "Footwear"))
    assert parsed.products.schema == PRODUCTS_SCHEMA
    assert parsed.rejected.schema == REJECTED_SCHEMA
    assert parsed.products.rows(named=True) == [
        {
            "product_id": "acme:a",
            "partner_id": "acme",
            "item_id": "a",
            "title": "Shoe",
            "description": None,
            "image_url": "http://u",
            "additional_image_urls": None,
            "item_group_id": "g1",
            "brand": None,
            "price": None,
            "currency": None,
            "availability": None,
            "gtin": None,
            "product_type": "Footwear",
            "color": None,
            "pattern": None,
            "material": None,
            "size": None,
            "gender": None,
            "age_group": None,
            "category_id": 2,
            "category_source": "google_product_category",
            "delivery": "acme.feed",
            "row": 1,
        }
    ]


@pytest.mark.parametrize(
    ("google", "own", "category_id", "source"),
    [
        ("2", "", 2, "google_product_category"),
        ("Clothing > Shoes", "", 2, "google_product_category"),
        ("clothing>HATS", "Footwear", 3, "google_product_category"),
        ("", "Footwear", 2, "product_type"),
        ("", "kopf >  hüte", 3, "product_type"),
        ("", "never seen", None, None),
        ("", "", None, None),
    ],
)
def test_the_label_is_google_s_category_or_else_the_mapped_product_type(
    google: str, own: str, category_id: int | None, source: str | None
) -> None:
    parsed = parsed_feed(item("a", google=google, own=own))
    assert parsed.products.select("category_id", "category_source").row(0) == (category_id, source)
    assert parsed.rejected.is_empty()


@pytest.mark.parametrize(
    ("google", "own", "category_id", "detail"),
    [
        (
            "Clothing > Shoe",
            "",
            None,
            "google_product_category 'Clothing > Shoe' is not in the taxonomy; "
            "the nearest known is 'Clothing > Shoes'; the product is kept without it",
        ),
        (
            "99",
            "Footwear",
            2,
            "google_product_category '99' is not in the taxonomy; the product is kept without it",
        ),
    ],
)
def test_an_unknown_category_keeps_the_product_and_names_the_nearest_known(
    google: str, own: str, category_id: int | None, detail: str
) -> None:
    parsed = parsed_feed(item("a", google=google, own=own))
    assert parsed.products["category_id"].to_list() == [category_id]
    assert parsed.rejected.rows() == [
        ("acme.feed", 1, f"a\tt\tu\t\t{google}\t{own}".rstrip("\t"), "unknown_category", detail)
    ]


def test_thousands_of_misspelled_categories_are_rejected_with_fifty_suggestions() -> None:
    rows = [item(f"id{n}", google=f"Aisle {n} > Shoe") for n in range(5_000)]
    rejected = parsed_feed(*rows).rejected
    assert rejected.height == 5_000
    assert rejected["detail"].str.contains("the nearest known is 'Clothing > Shoes'").sum() == 50


def test_invalid_ids_are_rejected_with_their_row_and_text() -> None:
    parsed = parsed_feed(item(""), item("a"), item("x" * 201), item("b\x7fc"), item(" a "), item("x" * 200))
    assert parsed.products["row"].to_list() == [2, 6]
    assert parsed.rejected.drop("delivery").rows() == [
        (1, "\tt\tu", "missing_id", "the row has no id"),
        (
            3,
            f"{'x' * 201}\tt\tu",
            "bad_id",
            "the id has more than 200 characters or a control character",
        ),
        (4, "b\x7fc\tt\tu", "bad_id", "the id has more than 200 characters or a control character"),
        (5, "a\tt\tu", "duplicate_id", "id 'a' is row 2's already"),
    ]


def test_an_id_repeated_in_another_batch_of_the_delivery_is_found_too() -> None:
    rows = [item(f"id{n}") for n in range(20_000)]
    parsed = parsed_feed(*rows, item("id7", google="2"))
    assert parsed.products.height == 20_000
    assert parsed.rejected.select("row", "reason", "detail").rows() == [
        (20_001, "duplicate_id", "id 'id7' is row 8's already")
    ]


def test_a_product_without_an_image_or_title_is_still_a_product() -> None:
    product = parsed_feed(item("a", image="", title="")).products.row(0, named=True)
    assert (product["image_url"], product["title"]) == (None, "")


def test_rows_that_the_reader_rejected_are_rejected_in_the_feed_s_order() -> None:
    parsed = parsed_from("id\ttitle\na\tö\nb\na\t2\n".encode() + b"c\xff\t3\n")
    assert parsed.products["item_id"].to_list() == ["a"]
    assert parsed.rejected.select("row", "reason", "delivery").rows() == [
        (2, "wrong_field_count", "acme.feed"),
        (3, "duplicate_id", "acme.feed"),
        (4, "invalid_utf8", "acme.feed"),
    ]


def test_a_feed_that_breaks_off_gives_no_products_at_all() -> None:
    content = WRITERS["google_xml"]([item(f"id{n}") for n in range(25_000)])
    with pytest.raises(FeedError, match=r"^feed\.x: broken XML"):
        parsed_from(content[:-20], "google_xml")


def test_texts_that_do_not_fit_into_memory_together_refuse_the_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "MAX_DELIVERY_BYTES", 1_000_000)
    assert parsed_feed(*[item(f"id{n}", title="x" * 90_000) for n in range(10)]).products.height == 10
    with pytest.raises(FeedError, match=r"^delivery 'acme\.feed' has more than 1,000,000 bytes of texts; lower SHELF"):
        parsed_feed(*[item(f"id{n}", title="x" * 90_000) for n in range(12)])


def test_a_mapping_onto_an_unknown_category_is_refused_before_the_feed_is_read() -> None:
    partner = PartnerSettings(partner_id="acme", product_types={"Shoes": "99"}, product_types_file="types.csv")
    with pytest.raises(ValueError, match=r"types\.csv: 'Shoes' is mapped to '99'"):
        parsed_from(b"not even a feed", partner=partner)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["", "a", "b", " b", "c", "x" * 201]) | TEXTS,
        TEXTS,
        TEXTS,
        st.sampled_from(["", "g"]),
        st.sampled_from(["", "2", "Clothing > Hats", "nowhere", "99"]) | TEXTS,
        st.sampled_from(["", "Footwear", "else"]) | TEXTS,
    ),
    min_size=1,
    max_size=12,
)


TEXTS = [each for each in FEED_READERS if each != "spreadsheet"]  # which has a process for each


@given(rows=ROWS)
@settings(max_examples=25, deadline=None)
def test_the_same_rows_become_the_same_products_in_every_format(rows: list[Row]) -> None:
    first, *others = (parsed_feed(*rows, feed_format=feed_format) for feed_format in TEXTS)
    for other in others:
        assert other.products.equals(first.products)
        assert other.rejected.equals(first.rejected)


@given(rows=ROWS)
@settings(max_examples=25, deadline=None)
def test_products_are_what_a_loop_over_the_rows_makes_of_them(rows: list[Row]) -> None:
    mapped = {"footwear": 2, "kopf > hüte": 3}
    ids: set[str] = set()
    expected = []
    for number, row in enumerate(rows, start=1):
        item_id, _, _, _, google, own = (value.strip() for value in row)
        item_id = normalized_ids(pl.Series([item_id]))[0] or ""
        if item_id and len(item_id) <= 200 and item_id not in ids:
            ids.add(item_id)
            own_path = " > ".join(" ".join(part.split()) for part in own.split(">")).casefold()
            category_id = TAXONOMY.resolve(google) if google else None
            expected.append((number, f"acme:{item_id}", mapped.get(own_path) if category_id is None else category_id))
    assert parsed_feed(*rows).products.select("row", "product_id", "category_id").rows() == expected


LINES = st.lists(
    st.binary(max_size=8).filter(lambda line: b"\n" not in line and line not in (b"", b"\r"))
    | st.sampled_from([b"a\tShoe\t2", b"a\tHat\t99", b"b\t\t", b"\t\t", b"c\t\xff\t", b"d\t\0\t"]),
    min_size=1,
)


@given(lines=LINES)
@settings(max_examples=60, deadline=None)
def test_every_row_of_a_feed_is_once_a_product_or_rejected(lines: list[bytes]) -> None:
    parsed = parsed_from(b"id\ttitle\tgoogle_product_category\n" + b"\n".join(lines))
    products, rejected = parsed.products["row"].to_list(), parsed.rejected["row"].to_list()
    assert sorted({*products, *rejected}) == list(range(1, len(lines) + 1))
    assert products == sorted(set(products))
    assert rejected == sorted(set(rejected))
    unknown = parsed.rejected.filter(pl.col("reason") == "unknown_category")["row"].to_list()
    assert set(products) & set(rejected) == set(unknown)
