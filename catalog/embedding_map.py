"""The picture of a map of embeddings: a dot a product, coloured by its category."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_COLOURED = 10
MIN_TOLD_APART = 5
OTHER = "all others"

_INK, _FAINT_INK, _PAPER, _GREY = "#1a2a3a", "#6b7885", "#ffffff", "#c9cfd6"
_COLOURS = (
    "#3b7dba", "#d9702b", "#4a9d5b", "#b8394a", "#7d5ba6", "#8c6d4f", "#d77fb0", "#8a9a2b", "#2ba6a6", "#e0b13c",
)  # fmt: skip


def shown_level(levels: NDArray[np.int64]) -> int:
    """Which level (0 the top) colours the products: the first with five categories or more, or else the leaves.

    `levels` is (num, num_levels), the category ids of each product: in a shop for clothing the top says nothing.
    """
    for level, ids in enumerate(levels.T):
        if len(np.unique(ids)) >= MIN_TOLD_APART:
            return level
    return int(levels.shape[1]) - 1


def draw_map(points: NDArray[np.float64], categories: Sequence[str], title: str) -> bytes:
    """A PNG of products at `points` (num, 2), in the colours of the ten most frequent of their categories' names.

    Raises ValueError where there is no point, or not one category a point.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if points.shape != (len(categories), 2) or not len(categories):
        raise ValueError(f"points are {points.shape} and there are {len(categories)} categories; give one to each")
    counts = Counter(categories)
    coloured = [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_COLOURED]]
    names = np.array(categories, dtype=object)
    figure = Figure(figsize=(10, 7), dpi=110, facecolor=_PAPER, layout="constrained")
    axes = figure.add_subplot()
    others = ~np.isin(names, coloured)
    if others.any():
        label = f"{OTHER} ({len(counts) - len(coloured)} categories)"
        axes.scatter(points[others, 0], points[others, 1], s=7, color=_GREY, linewidths=0, label=label)
    for name, colour in zip(coloured, _COLOURS, strict=False):
        at = names == name
        axes.scatter(
            points[at, 0], points[at, 1], s=7, color=colour, linewidths=0, alpha=0.8, label=f"{name} ({counts[name]:,})"
        )
    axes.set_title(title, color=_INK, fontsize=11, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(_GREY)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda place: labels[place].startswith(OTHER))  # the others last
    axes.legend(
        [handles[place] for place in order],
        [labels[place] for place in order],
        frameon=False,
        fontsize=9,
        labelcolor=_INK,
        markerscale=3,
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )
    picture = io.BytesIO()
    FigureCanvasAgg(figure)  # pyplot would keep the figure in a global list
    figure.savefig(picture, format="png", bbox_inches="tight", pad_inches=0.15)
    return picture.getvalue()
