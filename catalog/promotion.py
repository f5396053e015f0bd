"""Promotion: whether a candidate takes the champion's place, and the sentence that says why."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.comparison import PairedComparison


@dataclass(frozen=True, kw_only=True)
class PromotionRule:
    """What it takes to replace a champion.

    Either the candidate is better: right more often where the two disagree, with p below `significance`, and by value
    no worse on these pictures. Or it is as good at a fraction of the cost: the interval of the difference by value
    lies above -`margin`, and a picture takes at most `cost_ratio` of the champion's time.
    """

    significance: float = 0.05
    margin: float = 0.01
    cost_ratio: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the candidate is promoted, and why or why not."""

    promoted: bool
    reason: str


def unopposed(candidate: str) -> Verdict:
    """The verdict on a first champion."""
    return Verdict(promoted=True, reason=f"{candidate} is the first champion: there was none to compare it with")


def decide(
    candidate: str, champion: str, comparison: PairedComparison, cost_ratio: float, rule: PromotionRule | None = None
) -> Verdict:
    """The verdict on a candidate; `cost_ratio` is its time a picture over the champion's."""
    rule = rule or PromotionRule()
    ahead = comparison.only_candidate - comparison.only_champion
    split = (
        f"it alone is right on {comparison.only_candidate:,} and {champion} alone on {comparison.only_champion:,} of "
        f"{comparison.num_samples:,} pictures (p = {comparison.p_value:.2g})"
    )
    by_value = (
        f"by value it is {100 * comparison.difference:+.1f} points ahead "
        f"({100 * comparison.difference_low:+.1f} to {100 * comparison.difference_high:+.1f})"
    )
    is_better = comparison.p_value < rule.significance and ahead > 0 and comparison.difference >= 0
    if is_better:
        return Verdict(promoted=True, reason=f"{candidate} is better: {split}, {by_value}")
    is_as_good, is_cheap = comparison.difference_low >= -rule.margin, cost_ratio <= rule.cost_ratio
    cost = f"a picture takes it {cost_ratio:.2f} times the time of {champion}"
    if is_as_good and is_cheap:
        return Verdict(
            promoted=True,
            reason=f"{candidate} is as good, within {100 * rule.margin:g} points, and cheaper: {by_value}, {cost}",
        )
    lacking = [] if is_as_good else [f"by value it may be more than {100 * rule.margin:g} points behind"]
    lacking += [] if is_cheap else [f"{cost}, more than {rule.cost_ratio:g}"]
    return Verdict(
        promoted=False,
        reason=f"{champion} stays: {candidate} is not shown to be better ({split}, {by_value}), nor to be as good at a "
        f"fraction of the cost ({' and '.join(lacking)})",
    )
