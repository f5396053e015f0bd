"""Plots of drift: shares of categories, and distances of deliveries from the training images."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from catalog.evaluation.energy_distance import LARGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_CATEGORIES = 15
SHOWN_DELIVERIES = 25

_INK, _BLUE, _ORANGE = "#1a2a3a", "#3b7dba", "#d9702b"


def draw_shift(shares: pl.DataFrame, title: str) -> bytes:
    """Draws a PNG of the categories that shifted most; `shares` has name, found, expected, largest shift first."""
    from matplotlib.figure import Figure

    rows = shares.head(SHOWN_CATEGORIES)[::-1]
    figure = Figure(figsize=(8, 1.2 + 0.36 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(rows))
    axes.barh(positions + 0.2, 100 * rows["found"].to_numpy(), height=0.38, color=_BLUE, label="this delivery")
    axes.barh(positions - 0.2, 100 * rows["expected"].to_numpy(), height=0.38, color=_ORANGE, label="training products")
    axes.set_yticks(positions, [name[:40] for name in rows["name"]], color=_INK)
    axes.xaxis.set_major_formatter("{x:g} %")
    axes.set_title(title, loc="left", color=_INK)
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def draw_energies(deliveries: pl.DataFrame, title: str) -> bytes:
    """Draws a PNG of energy coefficients; `deliveries` has delivery, energy and is_shifted, largest first."""
    from matplotlib.figure import Figure

    rows = deliveries.head(SHOWN_DELIVERIES)[::-1]
    figure = Figure(figsize=(8, 1.4 + 0.3 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    colors = [_ORANGE if is_shifted else _BLUE for is_shifted in rows["is_shifted"]]
    positions = np.arange(len(rows))
    axes.barh(positions, rows["energy"].to_numpy(), height=0.7, color=colors)
    axes.axvline(LARGE, color=_INK, linewidth=1, linestyle="--")
    axes.set_yticks(positions, [name[:40] for name in rows["delivery"]], color=_INK)
    axes.set_xlabel(f"energy coefficient; a shift from {LARGE}", color=_INK)
    axes.set_title(title, loc="left", color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
