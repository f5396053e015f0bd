"""Plot of embeddings in two dimensions: a dot per product, colored by category."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_COLORED = 10
MIN_CATEGORIES = 5
OTHER = "all others"

_INK, _FAINT_INK, _PAPER, _GRAY = "#1a2a3a", "#6b7885", "#ffffff", "#c9cfd6"
_COLORS = (
    "#3b7dba", "#d9702b", "#4a9d5b", "#b8394a", "#7d5ba6", "#8c6d4f", "#d77fb0", "#8a9a2b", "#2ba6a6", "#e0b13c",
)  # fmt: skip


def coloring_level(levels: NDArray[np.int64]) -> int:
    """Returns the level that colors the products: the first with at least five categories, or else the leaves.

    In a shop for clothing all products share the top category.

    Args:
        levels: category ids of each product, roots first, (num, num_levels).
    """
    for level, ids in enumerate(levels.T):
        if len(np.unique(ids)) >= MIN_CATEGORIES:
            return level
    return int(levels.shape[1]) - 1


def draw_map(points: NDArray[np.float64], categories: Sequence[str], title: str) -> bytes:
    """Draws a PNG of products, with a color for each of the ten most frequent categories.

    Args:
        points: positions of the products, (num, 2).
        categories: category name of each product.

    Raises:
        ValueError: there is no point, or the number of categories differs.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if points.shape != (len(categories), 2) or not len(categories):
        raise ValueError(f"points are {points.shape}, categories are {len(categories)}; pass one category per point")
    counts = Counter(categories)
    colored = [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_COLORED]]
    names = np.array(categories, dtype=object)
    figure = Figure(figsize=(10, 7), dpi=110, facecolor=_PAPER, layout="constrained")
    axes = figure.add_subplot()
    others = ~np.isin(names, colored)
    if others.any():
        label = f"{OTHER} ({len(counts) - len(colored)} categories)"
        axes.scatter(points[others, 0], points[others, 1], s=7, color=_GRAY, linewidths=0, label=label)
    for name, color in zip(colored, _COLORS, strict=False):
        at = names == name
        axes.scatter(
            points[at, 0], points[at, 1], s=7, color=color, linewidths=0, alpha=0.8, label=f"{name} ({counts[name]:,})"
        )
    axes.set_title(title, color=_INK, fontsize=11, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(_GRAY)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda position: labels[position].startswith(OTHER))  # the others last
    axes.legend(
        [handles[position] for position in order],
        [labels[position] for position in order],
        frameon=False,
        fontsize=9,
        labelcolor=_INK,
        markerscale=3,
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )
    image = io.BytesIO()
    FigureCanvasAgg(figure)  # pyplot would keep the figure in a global list
    figure.savefig(image, format="png", bbox_inches="tight", pad_inches=0.15)
    return image.getvalue()
