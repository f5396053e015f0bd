"""Proposals for columns: by their names in several languages, and by what they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.feeds.feed import ATTRIBUTES
from catalog.products.column_proposals import own_names, propose_columns
from catalog.products.column_words import COLUMN_WORDS


def proposed(**sample: list[str]) -> dict[str, str]:
    """The column proposed for each attribute."""
    return {each.attribute: each.column for each in propose_columns(sample).values()}


def test_german_headers_of_a_shop_are_understood() -> None:
    headers = [
        "Artikel-Nr.",
        "Bezeichnung",
        "Bild-URL",
        "Warengruppe",
        "Größe",
        "Verfügbarkeit",
        "Preis",
        "EAN",
        "Lager",
    ]
    found = {each.attribute: each.column for each in propose_columns({header: [] for header in headers}).values()}
    assert found == {
        "id": "Artikel-Nr.",
        "title": "Bezeichnung",
        "image_link": "Bild-URL",
        "product_type": "Warengruppe",
        "size": "Größe",
        "availability": "Verfügbarkeit",
        "price": "Preis",
        "gtin": "EAN",
    }


def test_merchant_center_s_own_names_count_before_all_others() -> None:
    assert proposed(sku=["a"], id=["b"], Bild=["http://a/1.jpg"], image_link=["http://a/2.jpg"]) == {
        "id": "id",
        "image_link": "image_link",
    }


def test_misspelled_names_are_understood_and_unrelated_ones_are_not() -> None:
    assert proposed(Artikelnumer=[], Bezeichnug=[], Lagerort=[]) == {"id": "Artikelnumer", "title": "Bezeichnug"}


def test_without_a_name_the_texts_show_links_ids_and_paths() -> None:
    found = proposed(
        a=["K1", "K2", "K3"],
        b=["Damen > Hosen", "Damen > Hosen", "Herren > Hosen"],
        c=["https://a.example/1", "https://a.example/2", "images/3.png"],
        d=["same", "same", "same"],
    )
    assert found == {"id": "a", "product_type": "b", "image_link": "c"}


@given(st.lists(st.text(max_size=12), unique=True, max_size=8))
def test_no_column_is_used_twice(headers: list[str]) -> None:
    found = propose_columns({header: ["x"] for header in headers})
    columns = [each.column for each in found.values()]
    assert len(columns) == len(set(columns))
    assert set(columns) <= set(headers)
    assert all(0 < each.score <= 1 for each in found.values())


@pytest.mark.parametrize("attribute", COLUMN_WORDS)
def test_words_belong_to_attributes_and_to_one_of_them(attribute: str) -> None:
    assert attribute in ATTRIBUTES
    others = {word for name, words in COLUMN_WORDS.items() if name != attribute for word in words}
    assert not others & set(COLUMN_WORDS[attribute])
    assert all(word.isalnum() and word == word.casefold() for word in COLUMN_WORDS[attribute])


def test_only_names_that_no_reader_knows_are_written() -> None:
    assert own_names({"Bild": "image_link", "Image Link": "image_link", "g:id": "id"}) == {"Bild": "image_link"}
