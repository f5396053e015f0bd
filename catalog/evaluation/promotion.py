"""Promotion: the decision whether a candidate replaces the champion, with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.evaluation.comparison import PairedComparison


@dataclass(frozen=True, kw_only=True)
class PromotionRule:
    """Criteria for replacing a champion.

    Either the candidate is better: right more often where the two disagree, with p below `significance`, and no worse
    by value on these images. Or it is as good at a fraction of the cost: the interval of the difference by value
    lies above -`margin`, and an image takes at most `cost_ratio` of the champion's time.
    """

    significance: float = 0.05
    margin: float = 0.01
    cost_ratio: float = 0.5


@dataclass(frozen=True, kw_only=True)
class PromotionDecision:
    """The decision about a candidate, with its reason."""

    promoted: bool
    reason: str


def decide_first(candidate: str) -> PromotionDecision:
    """Returns the decision on the first candidate, which is promoted without a comparison."""
    return PromotionDecision(
        promoted=True, reason=f"{candidate} is the first champion; there is none to compare it with"
    )


def decide(
    candidate: str, champion: str, comparison: PairedComparison, cost_ratio: float, rule: PromotionRule | None = None
) -> PromotionDecision:
    """Decides about a candidate; `cost_ratio` is its time an image divided by the champion's."""
    rule = rule or PromotionRule()
    ahead = comparison.only_candidate - comparison.only_champion
    split = (
        f"it alone is right on {comparison.only_candidate:,} and {champion} alone on {comparison.only_champion:,} of "
        f"{comparison.num_samples:,} images (p = {comparison.p_value:.2g})"
    )
    by_value = (
        f"by value it is {100 * comparison.difference:+.1f} points ahead "
        f"({100 * comparison.difference_low:+.1f} to {100 * comparison.difference_high:+.1f})"
    )
    is_better = comparison.p_value < rule.significance and ahead > 0 and comparison.difference >= 0
    if is_better:
        return PromotionDecision(promoted=True, reason=f"{candidate} is better: {split}, {by_value}")
    is_as_good, is_cheap = comparison.difference_low >= -rule.margin, cost_ratio <= rule.cost_ratio
    cost = f"an image takes it {cost_ratio:.2f} times the time of {champion}"
    if is_as_good and is_cheap:
        return PromotionDecision(
            promoted=True,
            reason=f"{candidate} is as good, within {100 * rule.margin:g} points, and cheaper: {by_value}, {cost}",
        )
    lacking = [] if is_as_good else [f"by value it may be more than {100 * rule.margin:g} points behind"]
    lacking += [] if is_cheap else [f"{cost}, more than {rule.cost_ratio:g}"]
    return PromotionDecision(
        promoted=False,
        reason=f"{champion} stays: {candidate} is not shown to be better ({split}, {by_value}), nor to be as good at a "
        f"fraction of the cost ({' and '.join(lacking)})",
    )
