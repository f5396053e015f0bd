"""A paired comparison: two classifiers on the same pictures, so that what both get right or wrong tells nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from catalog.bootstrap import NUM_RESAMPLES, blocks_of, interval, resampled_counts
from catalog.judged import Judged
from catalog.scores import METRICS, summed

LEAF_LEVEL = 4


class UnpairedError(ValueError):
    """Two classifiers' predictions that are not of the same products and labels; the message says how many differ."""


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """How a candidate does beside the champion on `num_samples` pictures.

    `only_candidate` and `only_champion` are the pictures that it alone got right. `p_value` is McNemar's mid-p,
    `p_exact` that of the exact test; `difference` that of the value-weighted accuracies (the candidate's less the
    champion's), with its 95 % interval.
    """

    num_samples: int
    only_candidate: int
    only_champion: int
    p_value: float
    p_exact: float
    difference: float
    difference_low: float
    difference_high: float


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """McNemar's exact test, two-sided: the probability of a split at least as uneven, were both equally good."""
    num, fewer = only_first + only_second, min(only_first, only_second)
    return min(1.0, 2 * sum(_binomial(num, k) for k in range(fewer + 1)))


def mcnemar_mid_p(only_first: int, only_second: int) -> float:
    """McNemar's mid-p test, two-sided: as the exact one, but the observed split's own probability counts by half.

    The exact test calls equals different less often than it says; this one about as often (Fagerland, Lydersen and
    Laake 2013, "The McNemar test for binary matched-pairs data", doi:10.1186/1471-2288-13-91).
    """
    num, fewer = only_first + only_second, min(only_first, only_second)
    return max(0.0, 2 * sum(_binomial(num, k) for k in range(fewer + 1)) - _binomial(num, fewer))


def compare(
    candidate: pl.DataFrame,
    champion: pl.DataFrame,
    values: Mapping[int, float],
    *,
    resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> PairedComparison:
    """The comparison on leaves, of rows of the predictions table of the same products in any order.

    The difference's interval is of a paired bootstrap: each resample draws products, and both are judged by them.
    Raises `UnpairedError` for other products or other labels, ValueError where no labelled leaf has a business value.
    """
    pair = [_paired(candidate, champion), _paired(champion, candidate)]
    judged = [Judged.of_frame(frame, LEAF_LEVEL) for frame in pair]
    if num_other := int((judged[0].true_ids != judged[1].true_ids).sum()):
        raise UnpairedError(
            f"{num_other:,} of {len(pair[0]):,} products have another label in the champion's predictions; "
            "materialise the predictions of both on the current dataset"
        )
    hits = [each.hits for each in judged]
    only_candidate, only_champion = int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum())
    blocks = blocks_of(len(judged[0]), seed=seed)
    sums = [summed(each, blocks, values) for each in judged]
    weighted = METRICS["value_weighted_accuracy"]
    num_blocks = int(blocks.max()) + 1
    once = [float(weighted(each.resampled(np.ones((1, num_blocks))))[0]) for each in sums]
    if any(map(math.isnan, once)):
        raise ValueError("the difference by value is undefined: no category of the labels has a business value")
    drawn = np.concatenate(
        [
            weighted(sums[0].resampled(counts)) - weighted(sums[1].resampled(counts))
            for counts in resampled_counts(num_blocks, resamples, seed)
        ]
    )
    low, high = interval(drawn)
    return PairedComparison(
        num_samples=len(judged[0]),
        only_candidate=only_candidate,
        only_champion=only_champion,
        p_value=mcnemar_mid_p(only_candidate, only_champion),
        p_exact=mcnemar_exact(only_candidate, only_champion),
        difference=once[0] - once[1],
        difference_low=low,
        difference_high=high,
    )


def _paired(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The frame in the order of product ids; UnpairedError where the other is not of the same products."""
    num_own, num_others = (
        len(one.join(another, on="product_id", how="anti")) for one, another in ((frame, other), (other, frame))
    )
    if num_own or num_others or len(frame) != len(other):
        raise UnpairedError(
            f"two classifiers were judged by {len(frame):,} and {len(other):,} products, of which {num_own:,} and "
            f"{num_others:,} are the one's alone; materialise the predictions of both on the current dataset"
        )
    return frame.sort("product_id")


def _binomial(num: int, k: int) -> float:
    """The probability of k heads of `num` fair coins."""
    log = math.lgamma(num + 1) - math.lgamma(k + 1) - math.lgamma(num - k + 1) - num * math.log(2)
    return math.exp(log)
