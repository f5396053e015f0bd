"""Margins: each claim's figure relative to its bar, as a plot."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LIMITS = (0.125, 32.0)  # margins beyond are drawn at the edge
MAX_LABEL = 90  # characters
DIGEST = "Figures"  # the PNG's text field with the digest of its content


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Ratio of a claim's figure to its bar; the claim holds if it is at least 1."""

    label: str
    ratio: float
    holds: bool


def margins(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Margin]:
    """The margins of all claims whose bar is not 0, in the order of the page."""
    return [
        Margin(label=_label(name, record["claim"]), ratio=_ratio(record), holds=record["holds"])
        for name, records in results.items()
        for record in records
        if record["bar"]
    ]


def digest(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The SHA-256 (hex) of the margins, which the plot carries in its text field `DIGEST`."""
    return hashlib.sha256(json.dumps([asdict(margin) for margin in margins(results)]).encode()).hexdigest()


def draw(results: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Draws one line per claim with a bar, logarithmic, misses in another color."""
    from matplotlib.figure import Figure

    bounded = margins(results)
    figure = Figure(figsize=(13, 0.8 + 0.2 * len(bounded)), layout="constrained")
    axes = figure.add_subplot()
    for row, margin in enumerate(bounded):
        color = "tab:blue" if margin.holds else "tab:red"
        axes.plot([1, margin.ratio], [row, row], color=color, linewidth=2)
        axes.plot(margin.ratio, row, "o", color=color, markersize=5)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_xlim(LIMITS[0] / 1.2, LIMITS[1] * 1.2)
    axes.set_xticks(ticks := [2.0**power for power in range(-3, 6)], [f"{tick:g}" for tick in ticks])
    axes.set_yticks(range(len(bounded)), [margin.label for margin in bounded], fontsize=7)
    axes.set_ylim(len(bounded) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("figure relative to its bar (1 and more: holds)")
    figure.savefig(path, dpi=90, metadata={DIGEST: digest(results)})


def _ratio(record: Mapping[str, Any]) -> float:
    value, bar = record["ours"] if record["ratio"] is None else record["ratio"], record["bar"]
    is_upper = record["bound"] == "at most"
    if value <= 0:  # no ratio: the figure is beyond the scale, on the good side of an upper bound
        return LIMITS[is_upper]
    return min(max(bar / value if is_upper else value / bar, LIMITS[0]), LIMITS[1])


def _label(name: str, claim: str) -> str:
    text = f"{name}: {claim}"
    return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL // 2]} ... {text[-MAX_LABEL // 2 :]}"
