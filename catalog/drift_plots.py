"""Pictures of drift: shares of categories that moved, and how far deliveries lie from the training pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from catalog.energy import LARGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_CATEGORIES = 15
SHOWN_DELIVERIES = 25

_INK, _BLUE, _ORANGE = "#1a2a3a", "#3b7dba", "#d9702b"


def draw_shift(shares: pl.DataFrame, title: str) -> bytes:
    """Shares of the categories that moved most, as a PNG; `shares` has name, found and expected, largest first."""
    from matplotlib.figure import Figure

    shown = shares.head(SHOWN_CATEGORIES)[::-1]
    figure = Figure(figsize=(8, 1.2 + 0.36 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(shown))
    axes.barh(places + 0.2, 100 * shown["found"].to_numpy(), height=0.38, color=_BLUE, label="this delivery")
    axes.barh(places - 0.2, 100 * shown["expected"].to_numpy(), height=0.38, color=_ORANGE, label="training products")
    axes.set_yticks(places, [name[:40] for name in shown["name"]], color=_INK)
    axes.xaxis.set_major_formatter("{x:g} %")
    axes.set_title(title, loc="left", color=_INK)
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def draw_energies(deliveries: pl.DataFrame, title: str) -> bytes:
    """Each delivery's energy coefficient, as a PNG; the frame has delivery, energy and is_shifted, largest first."""
    from matplotlib.figure import Figure

    shown = deliveries.head(SHOWN_DELIVERIES)[::-1]
    figure = Figure(figsize=(8, 1.4 + 0.3 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    colours = [_ORANGE if is_shifted else _BLUE for is_shifted in shown["is_shifted"]]
    places = np.arange(len(shown))
    axes.barh(places, shown["energy"].to_numpy(), height=0.7, color=colours)
    axes.axvline(LARGE, color=_INK, linewidth=1, linestyle="--")
    axes.set_yticks(places, [name[:40] for name in shown["delivery"]], color=_INK)
    axes.set_xlabel(f"energy coefficient; from {LARGE} on it is a shift", color=_INK)
    axes.set_title(title, loc="left", color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
