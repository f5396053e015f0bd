import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from catalog.evaluation.comparison import UnpairedError, compare, compare_hits, mcnemar_exact, mcnemar_mid_p

VALUES = {1: 10.0, 2: 30.0, 3: 5.0}
few = st.integers(0, 60)


def predictions(true: NDArray[np.int64], predicted: NDArray[np.int64]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "product_id": [f"p{n:06}" for n in range(len(true))],
            "true_4": true,
            "top_4": predicted[:, None].tolist(),
            "probability_4": [[0.5]] * len(true),
        }
    )


def guessed(true: NDArray[np.int64], accuracy: float, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.where(rng.random(len(true)) < accuracy, true, true % 3 + 1)


@given(few, few)
def test_the_exact_test_is_the_binomial_one_of_scipy(only_first: int, only_second: int) -> None:
    num = only_first + only_second
    expected = binomtest(only_first, num).pvalue if num else 1.0
    assert mcnemar_exact(only_first, only_second) == pytest.approx(expected)


@given(few, few)
def test_mid_p_counts_half_of_the_observed_and_is_below_the_exact_p(only_first: int, only_second: int) -> None:
    num, fewer = only_first + only_second, min(only_first, only_second)
    by_hand = 2 * (binom.cdf(fewer - 1, num, 0.5) + binom.pmf(fewer, num, 0.5) / 2)
    assert mcnemar_mid_p(only_first, only_second) == pytest.approx(by_hand)
    assert mcnemar_mid_p(only_first, only_second) <= mcnemar_exact(only_first, only_second) + 1e-12


def test_hundreds_of_thousands_of_disagreements_have_a_p_value_too() -> None:
    assert mcnemar_mid_p(100_000, 100_600) == pytest.approx(0.1804, abs=1e-3)
    assert mcnemar_mid_p(0, 200_000) == pytest.approx(0.0, abs=1e-300)


def test_mid_p_calls_equals_different_about_one_time_in_twenty() -> None:
    rng = np.random.default_rng(0)
    disagreements = rng.binomial(40, 0.5, size=2_000)
    called = np.mean([mcnemar_mid_p(int(k), 40 - int(k)) < 0.05 for k in disagreements])
    assert 0.03 < called < 0.06


def test_a_comparison_counts_lone_hits_and_weighs_by_value() -> None:
    true = np.array([1, 1, 2, 2, 3])
    candidate, champion = predictions(true, np.array([1, 2, 2, 2, 3])), predictions(true, np.array([1, 1, 2, 3, 1]))
    compared = compare(candidate, champion.sample(fraction=1, shuffle=True, seed=1), VALUES)
    assert (compared.num_samples, compared.only_candidate, compared.only_champion) == (5, 2, 1)
    assert compared.difference == pytest.approx((10 * -0.5 + 30 * 0.5 + 5 * 1) / 45)
    assert compared.difference_low <= compared.difference <= compared.difference_high


def test_equal_predictions_have_no_difference() -> None:
    frame = predictions(np.array([1, 2, 3]), np.array([1, 2, 2]))
    compared = compare(frame, frame, VALUES)
    assert (compared.difference, compared.difference_low, compared.difference_high) == (0.0, 0.0, 0.0)
    assert compared.p_value == 1.0


def test_the_interval_is_that_of_a_paired_bootstrap_by_hand() -> None:
    rng = np.random.default_rng(2)
    true = rng.integers(1, 4, size=90)
    pair = [guessed(true, accuracy, rng) for accuracy in (0.8, 0.7)]
    compared = compare(*(predictions(true, predicted) for predicted in pair), VALUES, resamples=200, seed=7)

    def by_value(predicted: NDArray[np.int64], drawn: NDArray[np.int64]) -> float:
        recalls = [(predicted[drawn] == leaf)[true[drawn] == leaf].mean() for leaf in VALUES]
        return float(np.dot(recalls, list(VALUES.values())) / sum(VALUES.values()))

    draws = np.random.default_rng(7).integers(90, size=(200, 90))
    by_hand = [by_value(pair[0], drawn) - by_value(pair[1], drawn) for drawn in draws]
    assert (compared.difference_low, compared.difference_high) == pytest.approx(
        tuple(np.quantile(by_hand, [0.025, 0.975]))
    )


def test_the_interval_of_the_difference_holds_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(3)
    num_covered = 0
    for seed in range(200):
        true = rng.integers(1, 4, size=400)
        champion = guessed(true, 0.7, rng)
        # Nine times in ten the candidate predicts as the champion does: 0.9 * 0.7 + 0.1 * 0.9 = 0.72.
        candidate = np.where(rng.random(400) < 0.9, champion, guessed(true, 0.9, rng))
        compared = compare_hits(true, candidate == true, champion == true, VALUES, resamples=200, seed=seed)
        num_covered += compared.difference_low <= 0.02 <= compared.difference_high
    assert 0.90 <= num_covered / 200 <= 0.99


def test_other_products_are_refused_and_counted() -> None:
    frame = predictions(np.array([1, 2, 3, 1]), np.array([1, 2, 2, 1]))
    with pytest.raises(UnpairedError, match="on 3 and 2 products, of which 2 and 1 are missing from the other"):
        compare(frame[:3], frame[2:], VALUES)
    with pytest.raises(UnpairedError, match="1 products occur more than once"):
        compare(frame, pl.concat([frame, frame[:1]]), VALUES)


def test_other_labels_are_refused_and_counted() -> None:
    predicted = np.array([1, 2, 2])
    with pytest.raises(UnpairedError, match="2 of 3 products have a different label"):
        compare(predictions(np.array([1, 2, 3]), predicted), predictions(np.array([1, 1, 1]), predicted), VALUES)


def test_without_a_leaf_of_value_there_is_no_difference_by_value() -> None:
    frame = predictions(np.array([1]), np.array([1]))
    with pytest.raises(ValueError, match="difference by value is undefined"):
        compare(frame, frame, {9: 1.0})
