"""Plot of a search's progress: the metric of each trial over the device seconds spent."""

from __future__ import annotations

import io

import polars as pl

_INK, _FAINT_INK, _PAPER, _GRAY, _GOAL = "#1a2a3a", "#6b7885", "#ffffff", "#c9cfd6", "#b8394a"
_RUNGS = ("#8a949e", "#3b7dba", "#2ba6a6", "#d9702b", "#7d5ba6", "#4a9d5b")


def draw_progress(trials: pl.DataFrame, metric: str, goal: float | None) -> bytes:
    """Draws a PNG of a search's attempts: a dot each, colored by rung, and a line for the best of the last rung.

    Args:
        trials: attempts in the order in which they ran, with the columns rung, metric and device_seconds.
        metric: name of the metric, for the axis.
        goal: metric to reach, drawn as a line.

    Raises:
        ValueError: no attempt has a metric.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    spent = trials.with_columns(spent=pl.col("device_seconds").cum_sum()).filter(pl.col("metric").is_not_null())
    if spent.is_empty():
        raise ValueError("no trial has a metric, so there is nothing to draw; see the trials' reasons")
    figure = Figure(figsize=(8, 4.5), dpi=110, facecolor=_PAPER, layout="constrained")
    axes = figure.subplots()
    last = spent["rung"].max()
    for (rung,), part in spent.group_by("rung", maintain_order=True):
        color = _RUNGS[int(str(rung)) % len(_RUNGS)]
        name = "probe" if rung == 0 else f"rung {rung}"
        axes.scatter(part["spent"], 100 * part["metric"], color=color, s=22, label=name)
    best = spent.filter(pl.col("rung") == last).select("spent", best=pl.col("metric").cum_max())
    axes.step(best["spent"], 100 * best["best"], where="post", color=_INK, linewidth=1, label="best so far")
    if goal is not None:
        axes.axhline(100 * goal, color=_GOAL, linewidth=1, linestyle="--", label="goal")
    axes.set_xlabel("device seconds spent", color=_FAINT_INK)
    axes.set_ylabel(f"{metric} on validation, %", color=_FAINT_INK)
    axes.grid(axis="y", color=_GRAY, linewidth=0.5)
    axes.tick_params(colors=_FAINT_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=9, labelcolor=_INK, loc="lower right")
    image = io.BytesIO()
    FigureCanvasAgg(figure)  # pyplot would keep the figure in a global list
    figure.savefig(image, format="png", pad_inches=0.15)
    return image.getvalue()
