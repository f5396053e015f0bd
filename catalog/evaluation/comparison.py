"""Paired comparison of two classifiers on the same images: McNemar's test, and the difference by business value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.evaluation.block_sums import Floats, sums_by_class
from catalog.evaluation.bootstrap import NUM_RESAMPLES, blocks_of, interval, resampled_counts
from catalog.evaluation.level_predictions import positions_of
from catalog.evaluation.scores import weighted_recall

LEAF_LEVEL = 4


class UnpairedError(ValueError):
    """Predictions of two classifiers for different products or labels; the message counts the differences."""


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """A candidate compared with the champion on `num_samples` images.

    `only_candidate` and `only_champion` count the images that one of them alone predicts right. `p_value` is McNemar's
    mid-p value, `p_exact` the exact test's. `difference` is the candidate's value-weighted accuracy less the
    champion's, with its 95 % interval.
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
    """McNemar's exact test, two-sided: the probability of a split at least as uneven if both are equally good."""
    num, fewer = only_first + only_second, min(only_first, only_second)
    return min(1.0, 2 * sum(_binomial(num, k) for k in range(fewer + 1)))


def mcnemar_mid_p(only_first: int, only_second: int) -> float:
    """McNemar's mid-p test, two-sided: the exact test with half of the observed split's own probability.

    The exact test is conservative; this one has about the nominal error rate (Fagerland, Lydersen and Laake 2013,
    "The McNemar test for binary matched-pairs data", doi:10.1186/1471-2288-13-91).
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
    """Compares two classifiers on leaves.

    The interval of the difference is a paired bootstrap's: each resample draws products and evaluates both on them.

    Args:
        candidate, champion: rows of the table `predictions` for the same products, in any order.
        values: units sold by leaf.

    Raises:
        UnpairedError: the two cover different products or labels.
        ValueError: no labeled leaf has a business value.
    """
    pairs = _paired(candidate, champion)
    hits, hits_other = (
        pairs.select(pl.col("true") == pl.col(side)).to_series().to_numpy() for side in ("best", "best_other")
    )
    return compare_hits(pairs["true"].to_numpy(), hits, hits_other, values, resamples=resamples, seed=seed)


def compare_hits(
    labels: NDArray[np.int64],
    candidate: NDArray[np.bool_],
    champion: NDArray[np.bool_],
    values: Mapping[int, float],
    *,
    resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> PairedComparison:
    """Compares two classifiers on n samples as `compare` does.

    Args:
        labels: leaf of each sample, (n,).
        candidate, champion: True where the classifier's prediction is the label, (n,).
        values: units sold by leaf.

    Raises:
        ValueError: there is no sample, or no label has a business value.
    """
    only_candidate, only_champion = int((candidate & ~champion).sum()), int((champion & ~candidate).sum())
    leaves = pl.Series(labels).unique().sort().to_numpy()  # faster than np.unique, which sorts all samples
    true = positions_of(labels, leaves)
    units_sold = np.array([values.get(leaf, 0.0) for leaf in leaves.tolist()])
    if not units_sold.any():
        raise ValueError("the difference by value is undefined: no category of the labels has a business value")
    blocks = blocks_of(len(labels), seed=seed)
    num_blocks = int(blocks.max()) + 1
    everything = np.ones(len(labels), dtype=np.bool_)
    of_all, of_candidate, of_champion = (
        sums_by_class(blocks[chosen], true[chosen], num_blocks, len(leaves))
        for chosen in (everything, candidate, champion)
    )

    def difference(counts: Floats) -> Floats:
        num = counts @ of_all
        one, other = (weighted_recall(counts @ right, num, units_sold) for right in (of_candidate, of_champion))
        return one - other

    drawn = np.concatenate([difference(counts) for counts in resampled_counts(num_blocks, resamples, seed)])
    low, high = interval(drawn)
    return PairedComparison(
        num_samples=len(labels),
        only_candidate=only_candidate,
        only_champion=only_champion,
        p_value=mcnemar_mid_p(only_candidate, only_champion),
        p_exact=mcnemar_exact(only_candidate, only_champion),
        difference=float(difference(np.ones((1, num_blocks)))[0]),
        difference_low=low,
        difference_high=high,
    )


def _paired(candidate: pl.DataFrame | pl.LazyFrame, champion: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Returns one row per product: true, best, best_other; raises UnpairedError for different products or labels."""
    one, other = (
        frame.lazy()
        .select("product_id", true=f"true_{LEAF_LEVEL}", best=pl.col(f"top_{LEAF_LEVEL}").list.first())
        .collect(engine="streaming")
        for frame in (candidate, champion)
    )
    if one["product_id"].equals(other["product_id"]):  # both were written from one dataset
        pairs = one.with_columns(other.select(pl.col("true", "best").name.suffix("_other")))
    else:
        num_twice = sum(len(frame) - frame["product_id"].n_unique() for frame in (one, other))
        if num_twice:
            raise UnpairedError(f"{num_twice:,} products occur more than once; keep one row of each")
        pairs = one.sort("product_id").join(other, on="product_id", how="inner", suffix="_other")
    num_own, num_others = len(one) - len(pairs), len(other) - len(pairs)
    if num_own or num_others:
        raise UnpairedError(
            f"the two classifiers were evaluated on {len(one):,} and {len(other):,} products, of which {num_own:,} and "
            f"{num_others:,} are missing from the other; materialize the predictions of both on the current dataset"
        )
    if num_relabeled := int(pairs.select((pl.col("true") != pl.col("true_other")).sum()).item()):
        raise UnpairedError(
            f"{num_relabeled:,} of {len(pairs):,} products have a different label in the champion's predictions; "
            "materialize the predictions of both on the current dataset"
        )
    return pairs


def _binomial(num: int, k: int) -> float:
    """Probability of k heads of `num` fair coins."""
    log = math.lgamma(num + 1) - math.lgamma(k + 1) - math.lgamma(num - k + 1) - num * math.log(2)
    return math.exp(log)
