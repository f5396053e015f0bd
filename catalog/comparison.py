"""A paired comparison: two classifiers on the same pictures, so that what both get right or wrong tells nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from catalog.block_sums import Floats, sums_by_class
from catalog.bootstrap import NUM_RESAMPLES, blocks_of, interval, resampled_counts
from catalog.judged import places_of
from catalog.scores import weighted_recall

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
    candidate: pl.DataFrame | pl.LazyFrame,
    champion: pl.DataFrame | pl.LazyFrame,
    values: Mapping[int, float],
    *,
    resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> PairedComparison:
    """The comparison on leaves, of rows of the predictions table of the same products in any order.

    The difference's interval is of a paired bootstrap: each resample draws products, and both are judged by them.
    Raises `UnpairedError` for other products or other labels, ValueError where no labelled leaf has a business value.
    """
    pairs = _paired(candidate, champion)
    hits = [pairs.select(pl.col("true") == pl.col(side)).to_series().to_numpy() for side in ("best", "best_other")]
    only_candidate, only_champion = int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum())
    leaves = pairs["true"].unique().sort().to_numpy()
    true = places_of(pairs["true"].to_numpy(), leaves)
    worth = np.array([values.get(leaf, 0.0) for leaf in leaves.tolist()])
    if not worth.any():
        raise ValueError("the difference by value is undefined: no category of the labels has a business value")
    blocks = blocks_of(len(pairs), seed=seed)
    num_blocks = int(blocks.max()) + 1
    everything = np.ones(len(pairs), dtype=np.bool_)
    of_all, of_candidate, of_champion = (
        sums_by_class(blocks[chosen], true[chosen], num_blocks, len(leaves)) for chosen in (everything, *hits)
    )

    def difference(counts: Floats) -> Floats:
        num = counts @ of_all
        one, other = (weighted_recall(counts @ right, num, worth) for right in (of_candidate, of_champion))
        return one - other

    drawn = np.concatenate([difference(counts) for counts in resampled_counts(num_blocks, resamples, seed)])
    low, high = interval(drawn)
    return PairedComparison(
        num_samples=len(pairs),
        only_candidate=only_candidate,
        only_champion=only_champion,
        p_value=mcnemar_mid_p(only_candidate, only_champion),
        p_exact=mcnemar_exact(only_candidate, only_champion),
        difference=float(difference(np.ones((1, num_blocks)))[0]),
        difference_low=low,
        difference_high=high,
    )


def _paired(candidate: pl.DataFrame | pl.LazyFrame, champion: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """One row a product: true, best, best_other. UnpairedError where the two are of other products or labels."""
    one, other = (
        frame.lazy()
        .select("product_id", true=f"true_{LEAF_LEVEL}", best=pl.col(f"top_{LEAF_LEVEL}").list.first())
        .collect(engine="streaming")
        for frame in (candidate, champion)
    )
    if one["product_id"].equals(other["product_id"]):  # as where both were written from one dataset
        pairs = one.with_columns(other.select(pl.col("true", "best").name.suffix("_other")))
    else:
        num_twice = sum(len(frame) - frame["product_id"].n_unique() for frame in (one, other))
        if num_twice:
            raise UnpairedError(f"{num_twice:,} products are judged more than once; leave all but one row of each out")
        pairs = one.sort("product_id").join(other, on="product_id", how="inner", suffix="_other")
    num_own, num_others = len(one) - len(pairs), len(other) - len(pairs)
    if num_own or num_others:
        raise UnpairedError(
            f"two classifiers were judged by {len(one):,} and {len(other):,} products, of which {num_own:,} and "
            f"{num_others:,} are the one's alone; materialise the predictions of both on the current dataset"
        )
    if num_relabelled := int(pairs.select((pl.col("true") != pl.col("true_other")).sum()).item()):
        raise UnpairedError(
            f"{num_relabelled:,} of {len(pairs):,} products have another label in the champion's predictions; "
            "materialise the predictions of both on the current dataset"
        )
    return pairs


def _binomial(num: int, k: int) -> float:
    """The probability of k heads of `num` fair coins."""
    log = math.lgamma(num + 1) - math.lgamma(k + 1) - math.lgamma(num - k + 1) - num * math.log(2)
    return math.exp(log)
