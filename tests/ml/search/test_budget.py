"""Budgets: texts, numbers and tables of a project's file, and their seconds."""

import json
import math
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ml.search.budget import Budget


@pytest.mark.parametrize(
    ("value", "budget"),
    [
        (600, Budget(seconds=600.0)),
        (0.5, Budget(seconds=0.5)),
        ("600", Budget(seconds=600.0)),
        ("90 s", Budget(seconds=90.0)),
        ("1.5h", Budget(seconds=5400.0)),
        (" 20 min ", Budget(seconds=1200.0)),
        ("10 x full training of the cheapest candidate", Budget(full_trainings=10.0)),
        ("2.5x Full trainings of the  cheapest candidate", Budget(full_trainings=2.5)),
        ({"full_trainings": 3}, Budget(full_trainings=3)),
    ],
)
def test_texts_numbers_and_tables_are_read(value: object, budget: Budget) -> None:
    assert Budget.parse(value) == budget
    assert TypeAdapter(Budget).validate_json(json.dumps(value), strict=True) == budget


@given(number=st.floats(1e-3, 1e6), is_relative=st.booleans())
def test_a_budget_comes_back_from_its_fields(number: float, is_relative: bool) -> None:
    budget = Budget(full_trainings=number) if is_relative else Budget(seconds=number)
    assert Budget.parse(asdict(budget)) == budget


@pytest.mark.parametrize(
    "value",
    [0, -1, math.nan, math.inf, True, None, "", "soon", "-5 s", "0 s", "10 days", "10 x full training", "x", [600]],
)
def test_anything_else_is_refused_with_the_value_and_what_is_allowed(value: object) -> None:
    with pytest.raises(
        ValueError, match=r"positive number of device seconds, .*'NUMBER x full training of the .*; got"
    ):
        Budget.parse(value)


def test_a_table_with_both_or_with_unknown_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="exactly one of 'seconds' and 'full_trainings'"):
        Budget.parse({"seconds": 1.0, "full_trainings": 2.0})
    with pytest.raises(ValueError, match=r"got the keys \['hours'\]"):
        Budget.parse({"hours": 1.0})
    with pytest.raises(ValidationError, match="got 'soon'"):
        TypeAdapter(Budget).validate_json('"soon"', strict=True)


def test_a_relative_budget_is_unlimited_until_a_training_is_measured() -> None:
    relative = Budget(full_trainings=10.0)
    assert relative.in_seconds(None) == math.inf
    assert relative.in_seconds(12.0) == 120.0
    assert Budget(seconds=60.0).in_seconds(12.0) == 60.0
    assert str(relative) == "10 x full training of the cheapest candidate"
    assert str(Budget(seconds=60.0)) == "60 device seconds"
