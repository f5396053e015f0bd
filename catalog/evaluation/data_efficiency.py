"""Data efficiency: accuracy of fine-tuned encoders by number of labels, with intervals and a plot."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_INK, _FAINT_INK, _PAPER, _GRAY = "#1a2a3a", "#6b7885", "#ffffff", "#c9cfd6"
_COLORS = ("#8a949e", "#3b7dba", "#d9702b", "#4a9d5b", "#7d5ba6", "#b8394a", "#8c6d4f", "#2ba6a6", "#e0b13c")


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval over repetitions with other labels and other images."""

    value: float
    low: float
    high: float

    def is_disjoint_from(self, other: Estimate) -> bool:
        """True where the two intervals do not overlap."""
        return self.low > other.high or self.high < other.low


@dataclass(frozen=True)
class Curve:
    """Estimates of one encoder, (n,), by ascending number of labels, (n,)."""

    name: str
    num_labels: Sequence[int]
    estimates: Sequence[Estimate]


def crossed_estimate(by_seed: Floats, *, resamples: int = 1000, seed: int = 0) -> Estimate:
    """Returns the mean of scores by seed and image with its 95 % interval.

    Seeds and images are both resampled with replacement (Owen 2007, "The pigeonhole bootstrap", arXiv:0712.1111),
    because both the draw of labels and the images vary. Of the differences between two encoders' scores it is the
    paired interval.

    Args:
        by_seed: scores, (num_seeds, num_images).

    Raises:
        ValueError: there is no score.
    """
    if by_seed.ndim != 2 or by_seed.size == 0:
        raise ValueError(f"scores are {by_seed.shape}; expected (num_seeds, num_images) with at least one of each")
    num_seeds, num_images = by_seed.shape
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for number in range(resamples):
        of_images = np.bincount(rng.integers(num_images, size=num_images), minlength=num_images)
        of_seeds = np.bincount(rng.integers(num_seeds, size=num_seeds), minlength=num_seeds)
        means[number] = of_seeds @ (by_seed @ of_images) / (num_seeds * num_images)
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(by_seed.mean()), float(low), float(high))


def draw_curves(panels: Sequence[tuple[str, Sequence[Curve]]]) -> bytes:
    """Draws a PNG: for each titled panel, accuracy over the number of labels (logarithmic), a line an encoder.

    Raises ValueError without a panel, or for a panel without a curve.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not panels or not all(curves for _, curves in panels):
        raise ValueError("there is no curve to draw; fine-tune at least one encoder on one share of the labels")
    figure = Figure(figsize=(8, 5 * len(panels)), dpi=110, facecolor=_PAPER, layout="constrained")
    for axes, (title, curves) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        for position, curve in enumerate(curves):
            color = _COLORS[position % len(_COLORS)]
            values = [100 * estimate.value for estimate in curve.estimates]
            lows, highs = ([100 * getattr(each, end) for each in curve.estimates] for end in ("low", "high"))
            axes.fill_between(curve.num_labels, lows, highs, color=color, alpha=0.15, linewidth=0)
            axes.plot(curve.num_labels, values, color=color, marker="o", markersize=4, label=curve.name)
        ticks = sorted({number for curve in curves for number in curve.num_labels})
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{number:,}" for number in ticks], minor=False)
        axes.minorticks_off()
        axes.set_xlabel("labels trained on", color=_FAINT_INK)
        axes.set_ylabel("top-1 on held-out images, %", color=_FAINT_INK)
        axes.set_title(title, color=_INK, fontsize=11, loc="left")
        axes.grid(axis="y", color=_GRAY, linewidth=0.5)
        axes.tick_params(colors=_FAINT_INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(_GRAY)
        axes.legend(frameon=False, fontsize=9, labelcolor=_INK, loc="lower right")
    image = io.BytesIO()
    FigureCanvasAgg(figure)  # pyplot would keep the figure in a global list
    figure.savefig(image, format="png", pad_inches=0.15)
    return image.getvalue()
