import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve as scikit_learns

from catalog.evaluation.block_sums import NUM_BINS, block_sums
from catalog.evaluation.bootstrap import blocks_of
from catalog.evaluation.calibration import calibration_curve, draw_calibration
from catalog.evaluation.level_predictions import LabeledPredictions


def labeled_predictions(confidences: NDArray[np.float32], hits: NDArray[np.bool_]) -> LabeledPredictions:
    return LabeledPredictions(
        true_ids=np.ones(len(hits), np.int64), predicted_ids=2 - hits, in_top5=hits, confidences=confidences
    )


def drawn(num: int) -> LabeledPredictions:
    rng = np.random.default_rng(1)
    confidences = rng.random(num, dtype=np.float32)
    return labeled_predictions(confidences, rng.random(num) < confidences**2)


def test_it_is_scikit_learns_with_wilsons_intervals() -> None:
    predictions = drawn(3_000)
    curve = calibration_curve(block_sums(predictions, blocks_of(3_000)))
    accuracy, confidence = scikit_learns(predictions.hits, predictions.confidences, n_bins=NUM_BINS)
    assert curve["accuracy"].to_list() == pytest.approx(accuracy.tolist())
    assert curve["confidence"].to_list() == pytest.approx(confidence.tolist(), abs=1e-6)
    assert curve["num"].sum() == 3_000
    for row in curve.iter_rows(named=True):
        expected = binomtest(round(row["accuracy"] * row["num"]), row["num"]).proportion_ci(method="wilson")
        assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_bins_without_a_sample_have_no_row_and_certainty_is_in_the_last() -> None:
    predictions = labeled_predictions(np.array([1.0, 1.0, 0.05], dtype=np.float32), np.array([True, True, False]))
    curve = calibration_curve(block_sums(predictions, blocks_of(3)))
    rows = curve.select("bin_low", "bin_high", "num", "accuracy").rows()
    assert rows == [(0, pytest.approx(1 / 15), 1, 0), (pytest.approx(14 / 15), 1, 2, 1)]


def test_it_is_drawn_a_panel_a_curve() -> None:
    curve = calibration_curve(block_sums(drawn(500), blocks_of(500)))
    one, two = (Image.open(io.BytesIO(draw_calibration(panels))) for panels in ([("val", curve)], [("val", curve)] * 2))
    assert one.format == "PNG"
    assert two.width > 1.5 * one.width
    with pytest.raises(ValueError, match="no calibration curve to draw"):
        draw_calibration([])
