"""The schedule's shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.training.schedules import warmup_cosine


@given(num_steps=st.integers(1, 300), share=st.floats(0, 1))
def test_the_rate_rises_to_its_peak_and_then_only_falls(num_steps: int, share: float) -> None:
    num_warmup = int(share * num_steps)
    rates = [warmup_cosine(step, num_warmup, num_steps) for step in range(num_steps)]
    peak = max(0, num_warmup - 1)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[peak] == pytest.approx(1.0)
    assert all(0 < rate <= 1 for rate in rates)


def test_half_way_down_the_rate_is_half() -> None:
    assert warmup_cosine(60, 20, 100) == pytest.approx(0.5)
