import time
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, top_k_accuracy_score

from catalog import scores
from catalog.scores import METRICS, Judged, score, score_means


@st.composite
def judgements(draw: st.DrawFn) -> Judged:
    num_samples, num_classes, k = draw(st.integers(1, 40)), draw(st.integers(1, 8)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    ids = np.sort(rng.choice(1000, num_classes, replace=False)).astype(np.int64)
    top_ids = np.full((num_samples, k), -1, dtype=np.int64)
    for row in top_ids:
        row[: min(k, num_classes)] = rng.permutation(ids)[:k]
    values = {int(category_id): float(rng.integers(0, 100)) for category_id in ids[::2]}
    return Judged(rng.choice(ids, num_samples), top_ids, values | {int(ids[0]): 1.0})


def value_of(judged: Judged, metric: str) -> float:
    return float(METRICS[metric](judged, np.ones((1, len(judged.true_ids))))[0])


def resampled(judged: Judged, draws: NDArray[np.int64]) -> Judged:
    return Judged(judged.true_ids[draws], judged.top_ids[draws], judged.values)


def slow_value_weighted_accuracy(judged: Judged) -> float:
    present = sorted(set(judged.true_ids.tolist()))
    total = sum(judged.values.get(leaf, 0.0) for leaf in present)
    result = 0.0
    for leaf in present:
        best = [row[0] for row, true_id in zip(judged.top_ids, judged.true_ids, strict=True) if true_id == leaf]
        recall = sum(1 for predicted in best if predicted == leaf) / len(best)
        result += judged.values.get(leaf, 0.0) / total * recall if total else float("nan")
    return result


@given(judgements())
def test_top1_and_macro_f1_are_scikit_learns(judged: Judged) -> None:
    best = judged.top_ids[:, 0]
    assert value_of(judged, "top1") == pytest.approx(accuracy_score(judged.true_ids, best))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of many classes for few samples
        assert value_of(judged, "macro_f1") == pytest.approx(f1_score(judged.true_ids, best, average="macro"))


@given(num_samples=st.integers(1, 30), num_classes=st.integers(6, 12), seed=st.integers(0, 2**32))
def test_top5_is_scikit_learns(num_samples: int, num_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    likelihoods = rng.random((num_samples, num_classes))
    true_ids = rng.integers(num_classes, size=num_samples)
    judged = Judged(true_ids, np.argsort(-likelihoods, axis=1)[:, :7])
    expected = top_k_accuracy_score(true_ids, likelihoods, k=5, labels=range(num_classes))
    assert value_of(judged, "top5") == pytest.approx(expected)


@given(judgements())
def test_value_weighted_accuracy_is_the_slow_one(judged: Judged) -> None:
    assert value_of(judged, "value_weighted_accuracy") == pytest.approx(
        slow_value_weighted_accuracy(judged), nan_ok=True
    )


def test_a_leaf_that_sells_more_weighs_more_however_few_its_samples() -> None:
    judged = Judged(np.array([1, 1, 1, 1, 2]), np.array([[1], [1], [1], [1], [1]]), {1: 10.0, 2: 30.0, 3: 1000.0})
    assert value_of(judged, "top1") == pytest.approx(0.8)
    assert value_of(judged, "value_weighted_accuracy") == pytest.approx(0.25)  # leaf 3 is not judged


@settings(max_examples=50)
@given(judgements(), st.integers(0, 2**32))
def test_a_metric_of_counts_is_the_metric_of_the_drawn_samples(judged: Judged, seed: int) -> None:
    num_samples = len(judged.true_ids)
    draws = np.random.default_rng(seed).integers(num_samples, size=(3, num_samples))
    counts = np.stack([np.bincount(row, minlength=num_samples) for row in draws]).astype(np.float64)
    for name, metric in METRICS.items():
        expected = [value_of(resampled(judged, row), name) for row in draws]
        np.testing.assert_allclose(metric(judged, counts), expected)


def test_the_intervals_are_those_of_a_bootstrap_by_hand() -> None:
    rng = np.random.default_rng(3)
    true_ids = rng.integers(5, size=80)
    top_ids = np.where(rng.random((80, 1)) < 0.6, true_ids[:, None], rng.integers(5, size=(80, 5)))
    judged = Judged(true_ids, top_ids, {0: 5.0, 1: 1.0, 2: 2.0, 3: 0.5})
    draws = np.random.default_rng(11).integers(80, size=(200, 80))
    table = score(judged, resamples=200, seed=11)
    assert table["metric"].to_list() == list(METRICS)
    for row in table.iter_rows(named=True):
        by_hand = sorted(value_of(resampled(judged, drawn), row["metric"]) for drawn in draws)
        assert row["value"] == pytest.approx(value_of(judged, row["metric"]))
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))
        assert row["num_samples"] == 80


def test_the_intervals_hold_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for seed in range(200):
        hits = rng.random(300) < 0.7
        table = score(Judged(np.ones(300, np.int64), np.where(hits, 1, 2)[:, None]), resamples=200, seed=seed)
        low, high = table.filter(pl.col("metric") == "top1").select("ci_low", "ci_high").row(0)
        held += low <= 0.7 <= high
    assert 0.89 <= held / 200 <= 0.99


def test_the_same_seed_gives_the_same_intervals_in_chunks_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    judged = Judged(rng.integers(4, size=60), rng.integers(4, size=(60, 2)), {0: 1.0, 3: 4.0})
    at_once = score(judged, resamples=50, seed=9)
    monkeypatch.setattr(scores, "_COUNTS_PER_CHUNK", 60 * 7)
    assert score(judged, resamples=50, seed=9).equals(at_once)
    assert not score(judged, resamples=50, seed=10).equals(at_once)


def test_ten_thousand_samples_take_well_under_five_seconds() -> None:
    rng = np.random.default_rng(0)
    true_ids = rng.integers(1000, size=10_000)
    judged = Judged(true_ids, np.where(rng.random((10_000, 1)) < 0.8, true_ids[:, None], 7), {7: 1.0, 8: 2.0})
    started = time.process_time()
    score(judged)
    assert time.process_time() - started < 5


def test_without_business_values_there_is_no_value_weighted_accuracy() -> None:
    table = score(Judged(np.array([1, 2]), np.array([[1], [1]])), resamples=10)
    assert table["metric"].to_list() == ["top1", "top5", "macro_f1"]


@pytest.mark.parametrize(
    ("true_ids", "top_ids", "complaint"),
    [
        ([], np.empty((0, 5)), "there is no sample to score"),
        ([1], np.empty((1, 0)), "there is no sample to score"),
        ([1, 2], [[1]], r"true_ids is \(2,\), top_ids \(1, 1\)"),
        ([1], [[-1, 2]], "a sample lacks its label or its prediction"),
        ([-1], [[2]], "a sample lacks its label or its prediction"),
    ],
)
def test_what_cannot_be_judged_is_refused(true_ids: list[int], top_ids: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Judged(np.array(true_ids, dtype=np.int64), np.array(top_ids, dtype=np.int64))


def test_values_that_no_label_has_leave_the_value_weighted_accuracy_undefined() -> None:
    with pytest.raises(ValueError, match="value_weighted_accuracy is undefined"):
        score(Judged(np.array([1]), np.array([[1]]), {2: 5.0}))


def test_no_resamples_give_no_interval() -> None:
    with pytest.raises(ValueError, match="resamples is 0"):
        score(Judged(np.array([1]), np.array([[1]])), resamples=0)


def test_means_of_what_samples_scored_have_the_intervals_that_the_same_hits_have_as_predictions() -> None:
    rng = np.random.default_rng(0)
    true_ids = rng.integers(0, 5, 200)
    top_ids = np.where(rng.random(200) < 0.7, true_ids, 9)[:, None]
    hits = (top_ids[:, 0] == true_ids).astype(np.float64)
    of_predictions = score(Judged(true_ids=true_ids, top_ids=top_ids)).filter(metric="top1")
    means = score_means({"top1": hits, "none": np.zeros(200)})
    assert means.filter(metric="top1").equals(of_predictions)
    assert means.filter(metric="none").rows() == [("none", 0.0, 0.0, 0.0, 200)]


def test_means_of_no_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="no sample to score"):
        score_means({"top1": np.array([], dtype=np.float64)})
