"""Plots of downloads' outcomes: rates beside published ones, times by host, outcomes by partner; PNGs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from catalog.images.estimates import OK, PUBLISHED
from catalog.images.fates import FATES, GONE, INVALID, RETRY, UNUSABLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BARS = 20

_INK, _FAINT_INK, _PAPER = "#1a2a3a", "#6b7885", "#ffffff"
_BLUE, _ORANGE = "#3b7dba", "#d9702b"
_COLOURS = dict(zip(FATES, (_BLUE, _ORANGE, "#e9b872", "#8c2f39", "#b8c0c8"), strict=True))
_ROW_INCHES = 0.3


def draw_rates(groups: pl.DataFrame, statuses: pl.DataFrame) -> bytes:
    """Estimated shares with their intervals: the published groups beside the published rates, then every status.

    `groups` (column group) and `statuses` (column status) have share, low and high; pictures are left out, they
    would dwarf the rest.
    """
    faults = groups.filter(pl.col("group") != OK).select("group", "share", "low", "high").rows()
    rows = faults + statuses.filter(pl.col("status") != "ok").select("status", "share", "low", "high").rows()
    figure, axes = _canvas(len(rows), "share of all links, with 95 % interval; the diamonds are published rates")
    for place, (name, share, low, high) in enumerate(rows):
        is_group = name in PUBLISHED
        axes.barh(place, 100 * share, color=_BLUE if is_group else "#a9c4dd", height=0.7)
        axes.plot([100 * low, 100 * high], [place, place], color=_INK, linewidth=1.5)
        if is_group:
            axes.plot(100 * PUBLISHED[name], place, marker="D", color=_ORANGE, markersize=7)
    _name_bars(axes, [name for name, *_ in rows])
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:g} %")
    return _png(figure)


def draw_times(hosts: pl.DataFrame, bounds: Mapping[str, float]) -> bytes:
    """The hours that the slowest hosts' links take, and as lines what the machine itself takes for all.

    `hosts` has shop and seconds, slowest first; `bounds` are seconds by name.
    """
    slowest = hosts.head(MAX_BARS)
    unit, length = ("hours", 3600) if max([*slowest["seconds"], *bounds.values()], default=0) > 7200 else ("seconds", 1)
    figure, axes = _canvas(slowest.height, f"{unit} for all links of a host, within its limits; lines: for all hosts")
    axes.barh(range(slowest.height), slowest["seconds"] / length, color=_BLUE, height=0.7)
    styles = ("--", ":", "-.")
    for (name, seconds), style in zip(bounds.items(), styles, strict=False):
        axes.axvline(seconds / length, color=_ORANGE, linestyle=style, linewidth=1.5, label=name)
    _name_bars(axes, slowest["shop"].to_list())
    axes.set_xlim(left=0)
    if bounds:
        axes.legend(frameon=False, fontsize=8, labelcolor=_INK, loc="lower right")
    return _png(figure)


def draw_fates(by_partner: pl.DataFrame) -> bytes:
    """One bar a partner, split by the fates of its links (columns partner, fate, share); the published rates first."""
    partners = by_partner["partner"].unique().sort().to_list()[:MAX_BARS]
    published = {
        OK: 1 - sum(PUBLISHED.values()),
        INVALID: PUBLISHED["invalid link"],
        GONE: PUBLISHED["not downloadable"],
    }
    held = {name: dict(by_partner.filter(partner=name).select("fate", "share").iter_rows()) for name in partners}
    bars = {"published": published, **held}
    figure, axes = _canvas(len(bars) + 1, "% of links")
    for place, fates in enumerate(bars.values()):
        left = 0.0
        for fate in FATES:
            share = 100 * fates.get(fate, 0.0)
            label = fate if place == 0 else None  # in the legend once
            axes.barh(place, share, left=left, color=_COLOURS[fate], height=0.7, label=label)
            if share >= 4:
                ink = _INK if fate in {UNUSABLE, RETRY} else _PAPER
                axes.text(left + share / 2, place, f"{share:.0f}", ha="center", va="center", color=ink, fontsize=9)
            left += share
    _name_bars(axes, list(bars))
    axes.set_xlim(0, 100)
    axes.legend(
        frameon=False,
        ncols=len(FATES),
        fontsize=8,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        labelcolor=_INK,
    )
    return _png(figure)


def _canvas(num_bars: int, label: str) -> tuple[Figure, Axes]:
    # Loaded here: matplotlib costs half a second that only the drawing is worth.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.1 + _ROW_INCHES * num_bars), dpi=110, facecolor=_PAPER, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(label, color=_FAINT_INK, fontsize=9)
    axes.tick_params(length=0, colors=_INK, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.grid(axis="x", color="#e4e8ec", linewidth=1)
    axes.set_axisbelow(True)
    return figure, axes


def _name_bars(axes: Axes, names: Sequence[str]) -> None:
    """Names beside the bars, the first at the top."""
    axes.set_yticks(range(len(names)), [name if len(name) <= 40 else f"{name[:39]}…" for name in names])
    axes.invert_yaxis()


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = io.BytesIO()
    FigureCanvasAgg(figure)  # pyplot would keep the figure in a global list
    figure.savefig(picture, format="png", bbox_inches="tight", pad_inches=0.15)
    return picture.getvalue()
