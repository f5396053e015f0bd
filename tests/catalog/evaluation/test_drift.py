"""Drift: the population stability index against its definition, and its value by chance."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.evaluation.drift import LARGE, PSEUDO_COUNT, shift
from catalog.evaluation.drift_plots import draw_shift

categories = st.lists(st.integers(0, 5), min_size=1, max_size=40)


@given(found=categories, expected=categories)
def test_the_index_is_its_definition_and_symmetric(found: list[int], expected: list[int]) -> None:
    known = sorted({*found, *expected})
    total = 0.0
    for each in known:
        p = (found.count(each) + PSEUDO_COUNT) / (len(found) + PSEUDO_COUNT * len(known))
        q = (expected.count(each) + PSEUDO_COUNT) / (len(expected) + PSEUDO_COUNT * len(known))
        total += (p - q) * math.log(p / q)
    moved, back = (shift(pl.Series(a), pl.Series(b)) for a, b in ((found, expected), (expected, found)))
    assert moved.index == pytest.approx(total)
    assert back.index == pytest.approx(total)
    assert moved.index >= 0
    assert moved.shares["found"].sum() == pytest.approx(1)
    assert moved.shares["contribution"].to_list() == sorted(moved.shares["contribution"], reverse=True)


def test_samples_of_the_same_products_differ_by_chance_alone() -> None:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.full(30, 5.0))
    drawn = [[pl.Series(rng.choice(30, num, p=weights)) for num in (400, 5_000)] for _ in range(60)]
    moved = [shift(found, expected) for found, expected in drawn]
    assert np.mean([each.index for each in moved]) == pytest.approx(moved[0].by_chance, rel=0.15)
    assert max(each.beyond_chance for each in moved) < 0.1


def test_a_delivery_of_another_mix_is_a_large_shift() -> None:
    moved = shift(pl.Series([1] * 80 + [2] * 20), pl.Series([1] * 500 + [2] * 500))
    assert moved.beyond_chance > LARGE
    assert moved.shares["category_id"][0] in (1, 2)


def test_an_empty_side_is_refused() -> None:
    with pytest.raises(ValueError, match="0 products of the delivery, 3 of training"):
        shift(pl.Series([], dtype=pl.Int64), pl.Series([1, 2, 3]))


def test_the_plot_is_a_png() -> None:
    moved = shift(pl.Series([1, 2, 2]), pl.Series([1, 1, 3]))
    named = moved.shares.with_columns(name=pl.col("category_id").cast(pl.String))
    assert draw_shift(named, "a delivery").startswith(b"\x89PNG")
