from dataclasses import replace

import pytest

from catalog.evaluation.comparison import PairedComparison
from catalog.evaluation.promotion import PromotionRule, decide, decide_first

BETTER = PairedComparison(
    num_samples=1_000,
    only_candidate=60,
    only_champion=30,
    p_value=0.002,
    p_exact=0.003,
    difference=0.03,
    difference_low=0.01,
    difference_high=0.05,
)
EQUAL = replace(BETTER, only_candidate=31, p_value=0.9, difference=0.001, difference_low=-0.008, difference_high=0.009)


def test_a_better_candidate_is_promoted_at_any_cost() -> None:
    decision = decide("new", "old", BETTER, cost_ratio=20.0)
    assert decision.promoted
    assert decision.reason == (
        "new is better: it alone is right on 60 and old alone on 30 of 1,000 images (p = 0.002), by value it is "
        "+3.0 points ahead (+1.0 to +5.0)"
    )


def test_an_equal_one_takes_over_at_half_the_cost_and_not_above_it() -> None:
    decision = decide("new", "old", EQUAL, cost_ratio=0.5)
    assert decision.promoted
    assert "as good, within 1 points, and cheaper" in decision.reason
    refused = decide("new", "old", EQUAL, cost_ratio=0.51)
    assert not refused.promoted
    assert refused.reason.startswith("old stays: new is not shown to be better")
    assert "0.51 times the time of old, more than 0.5" in refused.reason


@pytest.mark.parametrize(
    "comparison",
    [
        replace(BETTER, p_value=0.05),
        replace(BETTER, only_candidate=30, only_champion=60),
        replace(BETTER, difference=-0.001, difference_low=-0.02),
        replace(EQUAL, difference_low=-0.011),
    ],
)
def test_a_candidate_that_meets_no_criterion_is_refused(
    comparison: PairedComparison,
) -> None:
    cost_ratio = 1.0 if comparison.difference_low > 0 else 0.1
    decision = decide("new", "old", comparison, cost_ratio)
    assert not decision.promoted
    assert decision.reason.startswith("old stays")


def test_the_rule_can_be_another() -> None:
    assert decide("new", "old", EQUAL, 0.9, PromotionRule(cost_ratio=0.9)).promoted
    assert not decide("new", "old", BETTER, 1.0, PromotionRule(significance=0.001)).promoted


def test_the_first_champion_needs_no_opponent() -> None:
    assert decide_first("new").promoted
    assert "first champion" in decide_first("new").reason
