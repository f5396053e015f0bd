"""Item ids that look alike are one id, and plain ids never change."""

import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.products.id_spellings import other_spelling
from catalog.products.item_ids import normalized_ids

INVISIBLE = {
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "right-to-left mark": "\u200f",
    "right-to-left override": "\u202e",
    "isolate": "\u2067",
    "word joiner": "\u2060",
    "combining grapheme joiner": "\u034f",
    "Hangul filler": "\u3164",
    "variation selector": "\ufe0f",
    "tag": "\U000e0041",
}
SPACES = ("\u00a0", "\u2007", "\u202f", "\u3000", "\u2003", "\u1680")


def normalized(text: str) -> str | None:
    result: str | None = normalized_ids(pl.Series("item_id", [text, "plain"]))[0]
    return result


@pytest.mark.parametrize("character", INVISIBLE.values(), ids=INVISIBLE)
def test_an_invisible_character_is_removed_wherever_it_is(character: str) -> None:
    assert normalized(f"{character}A{character}-1{character}") == "A-1"
    assert normalized(character) is None


@pytest.mark.parametrize("space", SPACES)
def test_spaces_around_an_id_are_removed_and_those_inside_stay(space: str) -> None:
    assert normalized(f"{space}\u200bA{space}1{space}") == f"A{space}1"


def test_decomposed_letters_are_composed() -> None:
    assert normalized(unicodedata.normalize("NFD", "Größe-ﬁ")) == "Größe-ﬁ"


@given(ids=st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), min_size=1))
@settings(max_examples=30, deadline=None)
def test_plain_ids_stay_as_they_are(ids: list[str]) -> None:
    assert normalized_ids(pl.Series("item_id", ids)).to_list() == ids


@given(text=st.text(max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_normalized_id_stays_as_it_is(text: str) -> None:
    once = normalized(text)
    assert once is None or normalized(once) == once


def test_other_ids_are_no_other_spelling() -> None:
    former = pl.Series([f"A-{each}" for each in range(100)])
    assert other_spelling(former, pl.Series([f"B-{each * 7 + 1_000}" for each in range(100)])) is None
    assert other_spelling(former, pl.Series([], dtype=pl.String)) is None
