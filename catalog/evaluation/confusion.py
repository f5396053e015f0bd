"""Confusion matrices: as a table of cells, as a table of leaves, as an image and in words."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NUMBERED_CLASSES = 20  # beyond that the numbers no longer fit into the cells
MAX_NAME_CHARACTERS = 32
OTHER = "all others"

_INK, _FAINT_INK, _PAPER = "#1a2a3a", "#6b7885", "#ffffff"


def confusion_cells(pairs: pl.DataFrame | pl.LazyFrame, values: Mapping[int, float]) -> pl.DataFrame:
    """Returns one row a pair that occurs: true_id, predicted_id, num, share_of_true, business_value.

    The business value of a cell is the true category's value times the cell's share of its samples.

    Args:
        pairs: one row a sample: true_id, predicted_id.
        values: units sold by category.

    Raises:
        ValueError: there are no samples, or some lack their label or prediction.
    """
    cells = (
        pairs.lazy()
        .select(pl.col("true_id", "predicted_id").cast(pl.Int64))
        .group_by("true_id", "predicted_id")
        .agg(pl.len().cast(pl.Int64).alias("num"))
        .sort("true_id", "predicted_id")
        .collect(engine="streaming")
    )
    if cells.is_empty():
        raise ValueError("there is no sample to count; was the evaluation set empty?")
    lacking = cells.filter(pl.any_horizontal(pl.col("true_id", "predicted_id").is_null()))["num"].sum()
    if lacking:
        raise ValueError(f"{lacking:,} of {cells['num'].sum():,} samples lack their label or their prediction")
    value = pl.DataFrame(
        {"true_id": list(values), "value": list(values.values())}, schema={"true_id": pl.Int64, "value": pl.Float64}
    )
    share = pl.col("num") / pl.col("num").sum().over("true_id")
    business_value = pl.col("value").fill_null(0.0) * pl.col("share_of_true")
    return (
        cells.with_columns(share_of_true=share)
        .join(value, on="true_id", how="left", maintain_order="left")
        .with_columns(business_value=business_value)
        .drop("value")
    )


def read_confusion(files: Sequence[str], level: int, values: Mapping[int, float]) -> pl.DataFrame:
    """Returns the cells of a level from files of the table `predictions`, streaming their rows."""
    rows = pl.scan_parquet(list(files), glob=False, hive_partitioning=False)
    pairs = rows.select(true_id=f"true_{level}", predicted_id=pl.col(f"top_{level}").list.first())
    return confusion_cells(pairs, values)


def most_valuable(cells: pl.DataFrame, values: Mapping[int, float], n: int) -> list[int]:
    """Returns the ids of the n most valuable categories that have samples; ties go to the larger number of samples."""
    nums = cells.group_by("true_id").agg(pl.col("num").sum())
    ranked = sorted(nums.iter_rows(), key=lambda row: (-values.get(row[0], 0.0), -row[1], row[0]))
    return [true_id for true_id, _ in ranked[:n]]


def leaf_table(cells: pl.DataFrame, ids: Sequence[int], names: Mapping[int, str]) -> pl.DataFrame:
    """Returns one row per category of `ids`, in that order: samples, recall, precision and the cost of its mistakes.

    `value_missed` is the units sold that are predicted wrong; `most_confused_with` the category predicted instead most
    often, and `share_confused` its share of the samples.
    """
    is_right = pl.col("true_id") == pl.col("predicted_id")
    predicted = cells.group_by(id="predicted_id").agg(num_predicted=pl.col("num").sum())
    worst = (
        cells.filter(~is_right)
        .sort("num", "predicted_id", descending=[True, False])
        .group_by(id="true_id", maintain_order=True)
        .agg(pl.col("predicted_id", "share_of_true").first())
    )
    true = cells.group_by(id="true_id").agg(
        pl.col("num").sum(),
        hits=pl.col("num").filter(is_right).sum(),
        value=pl.col("business_value").sum(),
        value_missed=pl.col("business_value").filter(~is_right).sum(),
    )
    table = (
        pl.DataFrame({"id": list(ids)}, schema={"id": pl.Int64})
        .join(true, on="id", how="left", maintain_order="left")
        .join(predicted, on="id", how="left", maintain_order="left")
        .join(worst, on="id", how="left", maintain_order="left")
    )
    return table.select(
        category=pl.col("id").replace_strict(names, default=pl.col("id").cast(pl.String), return_dtype=pl.String),
        num="num",
        value="value",
        recall=pl.col("hits") / pl.col("num"),
        precision=pl.col("hits") / pl.col("num_predicted"),  # null where it is never predicted
        value_missed="value_missed",
        most_confused_with=pl.col("predicted_id").replace_strict(
            names, default=pl.col("predicted_id").cast(pl.String), return_dtype=pl.String
        ),
        share_confused="share_of_true",
    )


def largest_confusions(cells: pl.DataFrame, names: Mapping[int, str], n: int) -> list[str]:
    """Describes the n most expensive mistakes, a sentence each, by business value and then by number of samples."""
    nums = cells.group_by("true_id").agg(pl.col("num").sum().alias("num_true"))
    worst = (
        cells.join(nums, on="true_id")
        .filter(pl.col("true_id") != pl.col("predicted_id"))
        .sort(
            "business_value",
            "num",
            "true_id",
            "predicted_id",
            descending=[True, True, False, False],
            maintain_order=True,
        )
        .head(n)
    )
    return [
        f"{_percent(row['share_of_true'])} of {_name(names, row['true_id'])} are predicted as "
        f"{_name(names, row['predicted_id'])} ({row['num']:,} of {row['num_true']:,})"
        for row in worst.iter_rows(named=True)
    ]


def draw_confusion(cells: pl.DataFrame, ids: Sequence[int], names: Mapping[int, str]) -> bytes:
    """Draws a PNG of the confusion matrix of the categories `ids`, in that order; a row is a label and sums to 100 %.

    Predictions outside `ids`, if any, are the last column. Darker cells have larger shares; up to twenty categories
    have numbers in their cells. Raises ValueError for a category without a sample.
    """
    # Imported here because matplotlib takes half a second to load.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    shares = _shares(cells, ids)
    rows = [_shortened(_name(names, category_id)) for category_id in ids]
    columns = rows + [OTHER] * (shares.shape[1] - len(rows))
    is_numbered = len(rows) <= MAX_NUMBERED_CLASSES
    cell_inches = 0.62 if is_numbered else 0.27
    label_inches = 0.5 + 0.075 * max(map(len, columns))
    width = shares.shape[1] * cell_inches + label_inches + (0.4 if is_numbered else 1.2)
    height = shares.shape[0] * cell_inches + label_inches * 0.75 + 0.6
    figure = Figure(figsize=(width, height), dpi=110, facecolor=_PAPER, layout="constrained")
    axes = figure.add_subplot()
    # The square root makes mistakes of a few percent visible next to a diagonal of ninety.
    drawn = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1), aspect="equal")
    _label(axes, rows, columns, font_size=10 if is_numbered else 7)
    if is_numbered:
        _number(axes, shares)
    else:
        bar = figure.colorbar(drawn, ax=axes, fraction=0.02, pad=0.01, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
        bar.ax.set_yticklabels(["0 %", "1 %", "5 %", "20 %", "50 %", "100 %"], fontsize=8, color=_FAINT_INK)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
    encoded = io.BytesIO()
    FigureCanvasAgg(figure)  # pyplot would keep the figure in a global list
    figure.savefig(encoded, format="png", bbox_inches="tight", pad_inches=0.15)
    return encoded.getvalue()


def _shares(cells: pl.DataFrame, ids: Sequence[int]) -> NDArray[np.float64]:
    """Returns share_of_true as a matrix, (n, n), or (n, n + 1) with a last column for all other predictions."""
    if not ids:
        raise ValueError("no category to draw; pass the ids of at least one")
    positions = {category_id: position for position, category_id in enumerate(ids)}
    shares = np.zeros((len(ids), len(ids) + 1))
    for true_id, predicted_id, share in cells.select("true_id", "predicted_id", "share_of_true").iter_rows():
        if true_id in positions:
            shares[positions[true_id], positions.get(predicted_id, len(ids))] += share
    missing = [category_id for category_id in ids if not shares[positions[category_id]].any()]
    if missing:
        raise ValueError(f"categories {missing} have no sample; draw those that `most_valuable` returns")
    return shares if shares[:, -1].any() else shares[:, :-1]


def _label(axes: Axes, rows: Sequence[str], columns: Sequence[str], font_size: int) -> None:
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="left", rotation_mode="anchor", fontsize=font_size)
    axes.set_yticks(range(len(rows)), rows, fontsize=font_size)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, colors=_INK, pad=4)
    axes.set_ylabel("true category", color=_FAINT_INK, fontsize=font_size + 1, labelpad=8)
    axes.set_xlabel("predicted category, % of the row", color=_FAINT_INK, fontsize=font_size + 1, labelpad=8)
    axes.xaxis.set_label_position("bottom")
    axes.spines[:].set_visible(False)
    # White gaps between the cells.
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=_PAPER, linewidth=1.5)
    axes.tick_params(which="minor", length=0)


def _number(axes: Axes, shares: NDArray[np.float64]) -> None:
    """Writes the percentage of every cell of at least one percent, in white on dark cells."""
    for (row, column), share in np.ndenumerate(shares):
        if round(100 * share) >= 1:
            color = _PAPER if share > 0.35 else _INK
            weight = "bold" if row == column else "normal"
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=10, fontweight=weight)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARACTERS else name[: MAX_NAME_CHARACTERS - 1] + "…"


def _name(names: Mapping[int, str], category_id: int) -> str:
    return names.get(category_id, str(category_id))
