"""Near ids: a mistyped product id finds the one that was meant, among many."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.products.near_ids import near_ids

IDS = pl.LazyFrame({"product_id": [f"{partner}:{n:05d}" for partner in ("hansen", "jensen") for n in range(5_000)]})


@given(n=st.integers(0, 4_999), position=st.integers(0, 6))
@settings(deadline=None)
def test_a_wrong_character_in_the_partner_s_name_finds_the_product_that_was_meant(n: int, position: int) -> None:
    meant = f"hansen:{n:05d}"
    assert near_ids(f"{meant[:position]}?{meant[position + 1 :]}", IDS)[0] == meant


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [("hansen:042179", "hansen:04217"), ("hansen:4217", "hansen:04217"), ("Hansen:04217", "hansen:04217")],
)
def test_a_character_too_many_or_too_few_or_of_the_wrong_case_does_no_harm(mistyped: str, meant: str) -> None:
    assert meant in near_ids(mistyped, IDS)


def test_of_many_equally_near_ids_the_first_three_are_shown() -> None:
    assert near_ids("hansen:0421x", IDS) == ["hansen:04210", "hansen:04211", "hansen:04212"]


@pytest.mark.parametrize("unlike", ["", "?", "a completely different text", "hansen"])
def test_an_id_that_resembles_no_other_finds_none(unlike: str) -> None:
    assert near_ids(unlike, IDS) == []
