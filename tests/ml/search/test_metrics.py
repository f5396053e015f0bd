"""The metrics of a search against scikit-learn and slow counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

from ml.search.metrics import METRICS, Score


@given(seed=st.integers(0, 10_000), num=st.integers(1, 60))
@settings(deadline=None)
def test_metrics_equal_scikit_learn_and_slow_counts(seed: int, num: int) -> None:
    rng = np.random.default_rng(seed)
    true = rng.integers(10, 16, num)
    best = np.array([rng.permutation(np.arange(10, 17))[:6] for _ in range(num)])
    values = {category: float(category - 9) for category in range(10, 16)}
    seen = np.unique(true)
    recalls = recall_score(true, best[:, 0], labels=seen, average=None, zero_division=0)
    weights = np.array([values[int(each)] for each in seen])
    assert Score("top1")(true, best) == pytest.approx(accuracy_score(true, best[:, 0]))
    assert Score("top5")(true, best) == pytest.approx(np.mean([t in b[:5] for t, b in zip(true, best, strict=True)]))
    assert Score("balanced_accuracy")(true, best) == pytest.approx(np.mean(recalls))
    assert Score("value_weighted_accuracy", values)(true, best) == pytest.approx(np.average(recalls, weights=weights))
    for metric in METRICS:
        assert 0.0 <= Score(metric, values)(true, best) <= 1.0


def test_value_weighted_accuracy_needs_a_category_with_a_value() -> None:
    with pytest.raises(ValueError, match=r"no category .* has a business value"):
        Score("value_weighted_accuracy")(np.array([1]), np.array([[1]]))


def test_an_unknown_metric_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match=r"unknown metric 'accuracy'; .*balanced_accuracy.*available:"):
        Score("accuracy")
