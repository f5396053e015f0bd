from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from catalog.evaluation.level_predictions import LabeledPredictions


def frame(true: list[int | None], top: list[list[int]], probability: list[list[float]] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "true_4": pl.Series(true, dtype=pl.Int64),
            "top_4": pl.Series(top, dtype=pl.List(pl.Int64)),
            "probability_4": pl.Series(probability or [[0.5] * len(row) for row in top], dtype=pl.List(pl.Float32)),
        }
    )


def test_a_level_is_read_from_files_of_the_table_predictions(tmp_path: Path) -> None:
    rows = frame([7, 3, 9], [[7, 3], [9, 3], [3, 7]], [[0.75, 0.25], [0.5, 0.25], [0.5, 0.5]])
    for file, part in (("a.parquet", rows[:2]), ("b [1].parquet", rows[2:])):
        part.write_parquet(tmp_path / file)
    predictions = LabeledPredictions.read([str(tmp_path / "a.parquet"), str(tmp_path / "b [1].parquet")], 4)
    assert predictions.true_ids.tolist() == [7, 3, 9]
    assert predictions.predicted_ids.tolist() == [7, 9, 3]
    assert predictions.in_top5.tolist() == [True, True, False]
    assert predictions.confidences.tolist() == [0.75, 0.5, 0.5]
    assert predictions.hits.tolist() == [True, False, False]


@given(num_samples=st.integers(1, 30), num_classes=st.integers(6, 12), seed=st.integers(0, 2**32))
def test_top5_is_scikit_learns(num_samples: int, num_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    likelihoods = rng.random((num_samples, num_classes))
    true_ids = rng.integers(num_classes, size=num_samples)
    predictions = LabeledPredictions.of_frame(
        frame(true_ids.tolist(), np.argsort(-likelihoods, axis=1)[:, :7].tolist()), 4
    )
    expected = top_k_accuracy_score(true_ids, likelihoods, k=5, labels=range(num_classes))
    assert predictions.in_top5.mean() == pytest.approx(expected)


@given(st.lists(st.tuples(*[st.sampled_from([0, 1, 5, 999, 2**40, -3])] * 2), min_size=1))
def test_classes_are_the_ids_that_occur_and_positions_index_them(
    pairs: list[tuple[int, int]],
) -> None:
    true_ids, predicted_ids = np.array(pairs, dtype=np.int64).T
    predictions = LabeledPredictions(
        true_ids=true_ids,
        predicted_ids=predicted_ids,
        in_top5=true_ids == predicted_ids,
        confidences=np.ones(len(pairs), np.float32),
    )
    assert predictions.classes.tolist() == sorted({each for pair in pairs for each in pair})
    assert (predictions.classes[predictions.true] == true_ids).all()
    assert (predictions.classes[predictions.predicted] == predicted_ids).all()


def test_rows_without_label_or_prediction_are_refused_and_counted() -> None:
    with pytest.raises(ValueError, match="2 of 3 predictions of level 4 lack their label"):
        LabeledPredictions.of_frame(frame([1, None, 2], [[1], [2], []]), 4)


def test_no_row_and_arrays_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no sample to score"):
        LabeledPredictions.of_frame(frame([], []), 4)
    one, two = np.array([1]), np.array([1, 2])
    with pytest.raises(ValueError, match=r"expected \(n,\) for each"):
        LabeledPredictions(
            true_ids=two, predicted_ids=one, in_top5=np.array([True]), confidences=one.astype(np.float32)
        )
