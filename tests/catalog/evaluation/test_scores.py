import time
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score

from catalog.evaluation.bootstrap import blocks_of
from catalog.evaluation.level_predictions import LabeledPredictions
from catalog.evaluation.scores import METRICS, LevelSums, expected_calibration_error, level_sums, score, score_means
from catalog.taxonomy.tree import Taxonomy

TREE = Taxonomy.parse("1 - A\n2 - A > B\n3 - A > C\n4 - A > C > D\n5 - E\n", "test")


def labeled_predictions(true_ids: NDArray[np.int64], predicted_ids: NDArray[np.int64]) -> LabeledPredictions:
    rng = np.random.default_rng(len(true_ids))
    confidences = rng.random(len(true_ids), dtype=np.float32)
    return LabeledPredictions(
        true_ids=true_ids, predicted_ids=predicted_ids, in_top5=true_ids == predicted_ids, confidences=confidences
    )


@st.composite
def random_predictions(draw: st.DrawFn) -> LabeledPredictions:
    num_samples, num_classes = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    ids = rng.choice(np.arange(1, 6), num_classes, replace=False)
    return labeled_predictions(rng.choice(ids, num_samples), rng.choice(ids, num_samples))


VALUES = {1: 7.0, 2: 100.0, 3: 0.5, 5: 20.0}


def drawn_from(predictions: LabeledPredictions, draws: NDArray[np.int64]) -> LabeledPredictions:
    return LabeledPredictions(
        true_ids=predictions.true_ids[draws],
        predicted_ids=predictions.predicted_ids[draws],
        in_top5=predictions.in_top5[draws],
        confidences=predictions.confidences[draws],
    )


def sums_of(predictions: LabeledPredictions, num_blocks: int = 1000) -> LevelSums:
    return level_sums(predictions, blocks_of(len(predictions), num_blocks=num_blocks), VALUES, TREE)


def value_of(predictions: LabeledPredictions, metric: str) -> float:
    level = sums_of(predictions)
    return float(METRICS[metric](level.resampled(np.ones((1, len(level.sums.num)))))[0])


def slow_value_weighted_accuracy(predictions: LabeledPredictions) -> float:
    present = sorted(set(predictions.true_ids.tolist()))
    total = sum(VALUES.get(leaf, 0.0) for leaf in present)
    result = 0.0
    for leaf in present:
        predicted = predictions.predicted_ids[predictions.true_ids == leaf].tolist()
        result += VALUES.get(leaf, 0.0) * predicted.count(leaf) / len(predicted)
    return result / total if total else float("nan")


def slow_distance(one: int, other: int) -> int:
    ways = [list(TREE.lineage(category_id)) for category_id in (one, other)]
    while ways[0] and ways[1] and ways[0][0] == ways[1][0]:
        ways = [way[1:] for way in ways]
    return len(ways[0]) + len(ways[1])


def slow_calibration_error(predictions: LabeledPredictions) -> float:
    result = 0.0
    for k in range(15):
        inside = [
            (float(confidence), bool(hit))
            for confidence, hit in zip(predictions.confidences, predictions.hits, strict=True)
            if min(int(confidence * np.float32(15)), 14) == k
        ]
        if inside:
            confidences, hits = zip(*inside, strict=True)
            result += abs(sum(hits) - sum(confidences)) / len(predictions)
    return result


@given(random_predictions())
def test_top1_and_macro_f1_are_scikit_learns(predictions: LabeledPredictions) -> None:
    assert value_of(predictions, "top1") == pytest.approx(
        accuracy_score(predictions.true_ids, predictions.predicted_ids)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of many classes for few samples
        expected = f1_score(predictions.true_ids, predictions.predicted_ids, average="macro")
    assert value_of(predictions, "macro_f1") == pytest.approx(expected)


@given(random_predictions())
def test_value_weighted_accuracy_distances_and_calibration_are_the_slow_ones(predictions: LabeledPredictions) -> None:
    steps = [
        slow_distance(*pair)
        for pair in zip(predictions.true_ids.tolist(), predictions.predicted_ids.tolist(), strict=True)
    ]
    missed = [step for step in steps if step]
    expected = {
        "value_weighted_accuracy": slow_value_weighted_accuracy(predictions),
        "hierarchical_distance": sum(steps) / len(steps),
        "distance_of_mistakes": sum(missed) / len(missed) if missed else float("nan"),
        "calibration_error": slow_calibration_error(predictions),
    }
    for metric, value in expected.items():
        assert value_of(predictions, metric) == pytest.approx(value, nan_ok=True), metric


def test_a_leaf_that_sells_more_weighs_more_however_few_its_samples() -> None:
    predictions = labeled_predictions(np.array([1, 1, 1, 1, 2]), np.array([1, 1, 1, 1, 1]))
    level = level_sums(predictions, blocks_of(5), {1: 10.0, 2: 30.0, 3: 1000.0})
    values = dict(score(level, resamples=10).select("metric", "value").iter_rows())
    assert values["top1"] == pytest.approx(0.8)
    assert values["value_weighted_accuracy"] == pytest.approx(0.25)  # leaf 3 has no sample


@settings(max_examples=50)
@given(random_predictions(), st.integers(0, 2**32))
def test_a_metric_of_resampled_sums_is_the_metric_of_the_drawn_samples(
    predictions: LabeledPredictions, seed: int
) -> None:
    draws = np.random.default_rng(seed).integers(len(predictions), size=(3, len(predictions)))
    counts = np.stack([np.bincount(row, minlength=len(predictions)) for row in draws]).astype(np.float64)
    resampled = sums_of(predictions).resampled(counts)
    for name, metric in METRICS.items():
        expected = [value_of(drawn_from(predictions, row), name) for row in draws]
        np.testing.assert_allclose(metric(resampled), expected, atol=1e-6)


def drawn_at_random(num: int, rng: np.random.Generator, accuracy: float = 0.6) -> LabeledPredictions:
    true_ids = rng.integers(1, 6, size=num)
    return labeled_predictions(true_ids, np.where(rng.random(num) < accuracy, true_ids, rng.integers(1, 6, size=num)))


def test_the_intervals_are_those_of_a_bootstrap_by_hand() -> None:
    predictions = drawn_at_random(80, np.random.default_rng(3))
    draws = np.random.default_rng(11).integers(80, size=(200, 80))
    table = score(sums_of(predictions), resamples=200, seed=11)
    assert table["metric"].to_list() == list(METRICS)
    for row in table.iter_rows(named=True):
        by_hand = [value_of(drawn_from(predictions, drawn), row["metric"]) for drawn in draws]
        assert row["value"] == pytest.approx(value_of(predictions, row["metric"]))
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])), abs=1e-6)
        assert row["num_samples"] == 80


def test_blocks_of_products_give_the_width_that_products_give() -> None:
    predictions = drawn_at_random(3_000, np.random.default_rng(4))
    by_product, by_block = (score(sums_of(predictions, num_blocks)) for num_blocks in (3_000, 300))
    for one, other in zip(by_product.iter_rows(named=True), by_block.iter_rows(named=True), strict=True):
        assert other["value"] == pytest.approx(one["value"])
        assert other["ci_high"] - other["ci_low"] == pytest.approx(one["ci_high"] - one["ci_low"], rel=0.15)


@pytest.mark.parametrize(("num_samples", "num_blocks"), [(300, 1000), (1_000, 100)])
def test_the_intervals_by_value_hold_the_truth_about_95_times_in_100(num_samples: int, num_blocks: int) -> None:
    rng = np.random.default_rng(5)
    recalls = np.array([0.5, 0.9, 0.7, 0.8, 0.6])
    truth = sum(VALUES.get(n + 1, 0.0) * recall for n, recall in enumerate(recalls)) / sum(VALUES.values())
    num_covered = 0
    for seed in range(200):
        true_ids = rng.choice(5, num_samples, p=[0.4, 0.2, 0.2, 0.1, 0.1])
        predicted = np.where(rng.random(num_samples) < recalls[true_ids], true_ids, (true_ids + 1) % 5)
        level = sums_of(labeled_predictions(true_ids + 1, predicted + 1), num_blocks)
        table = score(replace(level, metrics=("value_weighted_accuracy",)), resamples=300, seed=seed)
        low, high = table.select("ci_low", "ci_high").row(0)
        num_covered += low <= truth <= high
    assert 0.90 <= num_covered / 200 <= 0.99


def test_the_same_seed_gives_the_same_intervals() -> None:
    level = sums_of(drawn_at_random(60, np.random.default_rng(0)))
    at_once = score(level, resamples=50, seed=9)
    assert score(level, resamples=50, seed=9).equals(at_once)
    assert not score(level, resamples=50, seed=10).equals(at_once)


def test_100_000_samples_of_1_000_classes_take_under_five_cpu_seconds() -> None:
    rng = np.random.default_rng(0)
    true_ids = rng.integers(1000, size=100_000)
    predictions = labeled_predictions(true_ids, np.where(rng.random(100_000) < 0.8, true_ids, 7))
    started = time.process_time()
    score(level_sums(predictions, blocks_of(100_000), {7: 1.0, 8: 2.0}))
    assert time.process_time() - started < 5


def test_without_business_values_or_a_taxonomy_their_metrics_have_no_row() -> None:
    predictions = labeled_predictions(np.array([1, 2]), np.array([1, 1]))
    table = score(level_sums(predictions, blocks_of(2)), resamples=10)
    assert table["metric"].to_list() == ["top1", "top5", "macro_f1", "calibration_error"]


def test_without_a_mistake_there_is_no_distance_of_mistakes() -> None:
    table = score(sums_of(labeled_predictions(np.array([1, 2]), np.array([1, 2]))), resamples=10)
    assert "distance_of_mistakes" not in table["metric"].to_list()
    assert table.filter(metric="hierarchical_distance").rows() == [("hierarchical_distance", 0.0, 0.0, 0.0, 2)]


def test_values_that_no_label_has_leave_the_value_weighted_accuracy_undefined() -> None:
    predictions = labeled_predictions(np.array([1]), np.array([1]))
    with pytest.raises(ValueError, match="value_weighted_accuracy is undefined"):
        score(level_sums(predictions, blocks_of(1), {2: 5.0}))


def test_no_resamples_give_no_interval() -> None:
    with pytest.raises(ValueError, match="resamples is 0"):
        score(sums_of(labeled_predictions(np.array([1]), np.array([1]))), resamples=0)


def test_score_means_of_hits_equals_the_score_of_their_predictions() -> None:
    predictions = drawn_at_random(200, np.random.default_rng(0))
    of_predictions = score(sums_of(predictions)).filter(metric="top1")
    means = score_means({"top1": predictions.hits.astype(np.float64), "none": np.zeros(200)})
    one, other = means.filter(metric="top1").row(0), of_predictions.row(0)
    assert one[1:] == pytest.approx(other[1:])
    assert means.filter(metric="none").rows() == [("none", 0.0, 0.0, 0.0, 200)]


def test_means_of_no_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="no sample to score"):
        score_means({"top1": np.array([], dtype=np.float64)})


def test_a_table_of_scores_has_the_columns_of_metrics() -> None:
    assert score(sums_of(labeled_predictions(np.array([1]), np.array([2]))), resamples=5).schema == {
        "metric": pl.String,
        "value": pl.Float64,
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "num_samples": pl.Int64,
    }


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_calibration_error_is_the_one_counted_bin_by_bin(pairs: list[tuple[float, bool]]) -> None:
    by_hand, num_bins = 0.0, 15
    for number in range(num_bins):
        members = [pair for pair in pairs if min(int(pair[0] * num_bins), num_bins - 1) == number]
        if members:
            confidence = sum(pair[0] for pair in members) / len(members)
            accuracy = sum(pair[1] for pair in members) / len(members)
            by_hand += len(members) / len(pairs) * abs(confidence - accuracy)
    confidences, right = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    assert expected_calibration_error(confidences, right) == pytest.approx(by_hand, abs=1e-9)


def test_without_a_prediction_there_is_no_calibration_error() -> None:
    with pytest.raises(ValueError, match="there is no sample to score"):
        expected_calibration_error(np.array([]), np.array([], dtype=bool))
