"""Plots of download outcomes, as PNGs: rates compared with published ones, times by host, outcomes by partner."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from catalog.probe.download_stats import GONE, OUTCOME_GROUPS, TO_RETRY, UNUSABLE
from catalog.probe.published_rates import IMAGE, INVALID, NOT_DOWNLOADABLE, PUBLISHED_RATES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BARS = 20

_INK, _FAINT_INK, _PAPER = "#1a2a3a", "#6b7885", "#ffffff"
_BLUE, _ORANGE = "#3b7dba", "#d9702b"
_COLORS = dict(zip(OUTCOME_GROUPS, (_BLUE, _ORANGE, "#e9b872", "#8c2f39", "#b8c0c8"), strict=True))
_ROW_INCHES = 0.3


def draw_rates(groups: pl.DataFrame, statuses: pl.DataFrame) -> bytes:
    """Draws estimated shares with their intervals: the published groups beside their rates, then every status.

    `groups` (column group) and `statuses` (column status) have share, low and high; images are left out, whose bar
    would dwarf the others.
    """
    faults = groups.filter(pl.col("group") != IMAGE).select("group", "share", "low", "high").rows()
    rows = faults + statuses.filter(pl.col("status") != "ok").select("status", "share", "low", "high").rows()
    figure, axes = _canvas(len(rows), "share of all links, with 95 % interval; the diamonds are published rates")
    for position, (name, share, low, high) in enumerate(rows):
        is_group = name in PUBLISHED_RATES
        axes.barh(position, 100 * share, color=_BLUE if is_group else "#a9c4dd", height=0.7)
        axes.plot([100 * low, 100 * high], [position, position], color=_INK, linewidth=1.5)
        if is_group:
            axes.plot(100 * PUBLISHED_RATES[name], position, marker="D", color=_ORANGE, markersize=7)
    _name_bars(axes, [name for name, *_ in rows])
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:g} %")
    return _png(figure)


def draw_times(hosts: pl.DataFrame, bounds: Mapping[str, float]) -> bytes:
    """Draws the time that the slowest hosts' links take, and as lines the machine's own bounds for all links.

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


def draw_outcomes(by_partner: pl.DataFrame) -> bytes:
    """Draws one bar per partner, split by outcome_group (columns partner, outcome_group, share)."""
    partners = by_partner["partner"].unique().sort().to_list()[:MAX_BARS]
    published = {
        IMAGE: 1 - sum(PUBLISHED_RATES.values()),
        INVALID: PUBLISHED_RATES[INVALID],
        GONE: PUBLISHED_RATES[NOT_DOWNLOADABLE],
    }
    shares = {
        name: dict(by_partner.filter(partner=name).select("outcome_group", "share").iter_rows()) for name in partners
    }
    bars = {"published": published, **shares}
    figure, axes = _canvas(len(bars) + 1, "% of links")
    for position, share_of in enumerate(bars.values()):
        left = 0.0
        for group in OUTCOME_GROUPS:
            share = 100 * share_of.get(group, 0.0)
            label = group if position == 0 else None  # in the legend once
            axes.barh(position, share, left=left, color=_COLORS[group], height=0.7, label=label)
            if share >= 4:
                ink = _INK if group in {UNUSABLE, TO_RETRY} else _PAPER
                axes.text(left + share / 2, position, f"{share:.0f}", ha="center", va="center", color=ink, fontsize=9)
            left += share
    _name_bars(axes, list(bars))
    axes.set_xlim(0, 100)
    axes.legend(
        frameon=False,
        ncols=len(OUTCOME_GROUPS),
        fontsize=8,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        labelcolor=_INK,
    )
    return _png(figure)


def _canvas(num_bars: int, label: str) -> tuple[Figure, Axes]:
    # Loaded here: matplotlib takes half a second to import.
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
    """Writes names beside the bars, the first at the top; hosts are a partner's text, in which `$` is no formula."""
    axes.set_yticks(range(len(names)), [name if len(name) <= 40 else f"{name[:39]}…" for name in names])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.invert_yaxis()


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    image = io.BytesIO()
    FigureCanvasAgg(figure)  # pyplot would keep the figure in a global list
    figure.savefig(image, format="png", bbox_inches="tight", pad_inches=0.15)
    return image.getvalue()
