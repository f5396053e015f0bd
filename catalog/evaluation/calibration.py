"""Calibration curve (reliability diagram): accuracy of predictions by confidence."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from catalog.evaluation.block_sums import NUM_BINS, BlockSums
from catalog.evaluation.proportions import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _FAINT_INK, _PAPER, _GRAY, _BLUE = "#1a2a3a", "#6b7885", "#ffffff", "#c9cfd6", "#3b7dba"


def calibration_curve(sums: BlockSums) -> pl.DataFrame:
    """Returns one row a bin of confidence with samples: bin_low, bin_high, num, confidence, accuracy and its interval.

    `confidence` is the bin's mean; `accuracy_low` and `accuracy_high` are Wilson's 95 % interval (1927).
    """
    num, hits, confidence = (each.sum(axis=0) for each in (sums.num_in_bin, sums.hits_in_bin, sums.confidence_in_bin))
    filled = np.flatnonzero(num)
    num, accuracy, mean = num[filled], hits[filled] / num[filled], confidence[filled] / num[filled]
    low, high = zip(*map(wilson_interval, hits[filled].astype(int).tolist(), num.astype(int).tolist()), strict=True)
    return pl.DataFrame(
        {
            "bin_low": filled / NUM_BINS,
            "bin_high": (filled + 1) / NUM_BINS,
            "num": num.astype(np.int64),
            "confidence": mean,
            "accuracy": accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
        }
    )


def draw_calibration(panels: Sequence[tuple[str, pl.DataFrame]]) -> bytes:
    """Draws a PNG: for each titled curve, accuracy over confidence with the diagonal, and below it the sample counts.

    Points below the diagonal are overconfident, points above it underconfident. Raises ValueError without a panel.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not panels:
        raise ValueError("there is no calibration curve to draw; pass at least one curve")
    figure = Figure(figsize=(4.2 * len(panels), 5.2), dpi=110, facecolor=_PAPER, layout="constrained")
    grid = figure.subplots(2, len(panels), squeeze=False, height_ratios=[4, 1], sharex="col")
    for (above, below), (title, curve) in zip(grid.T, panels, strict=True):
        _draw_curve(above, curve)
        above.set_title(title, color=_INK, fontsize=11, loc="left")
        widths = (curve["bin_high"] - curve["bin_low"]).to_numpy()
        below.bar(curve["bin_low"].to_numpy(), curve["num"].to_numpy(), width=widths * 0.94, align="edge", color=_GRAY)
        below.set_xlabel("confidence of the prediction", color=_FAINT_INK)
        below.set_xlim(0, 1)
        for axes in (above, below):
            axes.tick_params(colors=_FAINT_INK, labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color(_GRAY)
    grid[0, 0].set_ylabel("accuracy", color=_FAINT_INK)
    grid[1, 0].set_ylabel("predictions", color=_FAINT_INK)
    image = io.BytesIO()
    FigureCanvasAgg(figure)  # pyplot would keep the figure in a global list
    figure.savefig(image, format="png", pad_inches=0.15)
    return image.getvalue()


def _draw_curve(axes: Axes, curve: pl.DataFrame) -> None:
    confidence, accuracy, low, high = (
        curve[column].to_numpy() for column in ("confidence", "accuracy", "accuracy_low", "accuracy_high")
    )
    axes.plot([0, 1], [0, 1], color=_GRAY, linewidth=1, linestyle="--")
    # Rounding may leave the interval of a bin without mistakes a hair below its accuracy.
    ends = np.maximum([accuracy - low, high - accuracy], 0)
    axes.errorbar(confidence, accuracy, yerr=ends, color=_BLUE, marker="o", markersize=4, linewidth=1.2, capsize=2)
    axes.set_ylim(0, 1)
