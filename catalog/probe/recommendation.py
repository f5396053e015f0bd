"""Recommendation: advice from the figures of a probe, before a large download starts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

from catalog.download.settings import FetchSettings
from catalog.escaping.markdown import markdown_text
from catalog.images.statuses import FINAL, Status, values
from catalog.probe.estimates import shares
from catalog.probe.forecast import Forecast
from catalog.probe.published_rates import INVALID, NOT_DOWNLOADABLE, PUBLISHED_RATES
from catalog.probe.sampling import OTHER_HOSTS

Verdict = Literal["go", "go, but", "do not start"]
INVALID_SHARE, LOST_SHARE = PUBLISHED_RATES[INVALID], PUBLISHED_RATES[NOT_DOWNLOADABLE]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The thresholds beyond which a figure leads to advice; shares of 0..1."""

    min_sampled: int = 5  # links of a host; with fewer it gets no advice
    refuses_all: float = 0.9
    refuses_some: float = 0.02
    max_closed_links: float = 0.05  # of all links at hosts that serve nothing; beyond, do not start
    max_lost: float = 2 * LOST_SHARE
    max_invalid: float = 5 * INVALID_SHARE
    slow_s: float = 3.0  # per link
    max_hours: float = 48.0


@dataclass(frozen=True)
class Advice:
    """One thing to do, as Markdown; `stops` where it must come before the download."""

    topic: str  # closed_host, fewer_connections, more_connections, slow_host, ask_partner, machines, max_connections
    words: str
    stops: bool = False


@dataclass(frozen=True)
class Recommendation:
    """The verdict, with the advice that led to it, the most serious first."""

    verdict: Verdict
    advice: tuple[Advice, ...]

    def markdown(self) -> str:
        """Returns the recommendation as a few lines of Markdown."""
        heading = f"**{self.verdict.capitalize()}{':' if self.advice else '.'}**"
        return "\n".join([heading, "", *(f"- {advice.words}" for advice in self.advice)])


def recommend(
    rows: pl.DataFrame, expected: Forecast, settings: FetchSettings, rules: Rules | None = None
) -> Recommendation:
    """Derives a recommendation from the rows of a probe and its forecast, by fixed rules."""
    rules = rules or Rules()
    advice = [
        *_on_closed_hosts(rows, expected, rules),
        *_on_partners(rows, rules),
        *_on_hosts_under_strain(expected, rules),
        *_on_duration(expected, settings, rules),
    ]
    if any(item.stops for item in advice):
        verdict: Verdict = "do not start"
    else:
        verdict = "go, but" if advice else "go"
    return Recommendation(verdict, tuple(sorted(advice, key=lambda item: not item.stops)))


def _on_closed_hosts(rows: pl.DataFrame, expected: Forecast, rules: Rules) -> Iterator[Advice]:
    """Advises on hosts that serve nothing at all: they refuse, forbid it in robots.txt, or do not respond."""
    closed = _closed(expected, rules)
    stops = closed["links"].sum() > rules.max_closed_links * expected.links
    for shop, links, sampled in closed.sort("links", "shop", descending=[True, False]).head(10).iter_rows():
        statuses = rows.filter(shop=shop)["status"].value_counts(sort=True).sort("count", "status", descending=True)
        counts = ", ".join(f"{status} {num}" for status, num in statuses.iter_rows())
        manner = _manner(statuses)
        yield Advice(
            "closed_host",
            f"{markdown_text(shop)} {manner}: {counts} of {sampled} sampled links; "
            f"{_percent(links / expected.links)} of all links are at this host. "
            + (
                "Leave it out or ask its owner first."
                if "robots" in manner
                else "Ask its owner, and set a contact for questions (`SHELFSIGHT_CONTACT`)."
            ),
            stops,
        )


def _on_partners(rows: pl.DataFrame, rules: Rules) -> Iterator[Advice]:
    """Advises on partners of whose links significantly too many are dead or invalid."""
    status = pl.col("status")
    loss = (
        pl.when(status == Status.INVALID_URL)
        .then(pl.lit("invalid"))
        .when(status.is_in(values(FINAL)) & (status != Status.OK) & (status != Status.DISALLOWED))
        .then(pl.lit("lost"))
        .otherwise(pl.lit("neither"))
    )
    found = shares(rows.with_columns(loss=loss), of="loss", by=["partner_id"])
    limits = {"lost": (rules.max_lost, LOST_SHARE), "invalid": (rules.max_invalid, INVALID_SHARE)}
    words = {"lost": "lead to no image any more", "invalid": "are not valid links"}
    for partner, name, share, low, high in found.select("partner_id", "loss", "share", "low", "high").iter_rows():
        if name in limits and low > limits[name][0]:
            yield Advice(
                "ask_partner",
                f"Ask partner {markdown_text(partner)} for a newer feed: {_percent(share)} of its links "
                f"({_percent(low)} to {_percent(high)}) {words[name]}; the published rate is "
                f"{_percent(limits[name][1])}.",
            )


def _on_hosts_under_strain(expected: Forecast, rules: Rules) -> Iterator[Advice]:
    """Advises on hosts that serve images but refuse some requests or are slow."""
    serving = expected.hosts.filter(
        (pl.col("sampled") >= rules.min_sampled) & (pl.col("refused") + pl.col("unreached") < rules.refuses_all)
    )
    strained = serving.filter(pl.col("refused") > rules.refuses_some)
    for shop, refused, connections in strained.select("shop", "refused", "connections").iter_rows():
        remedy = f"max_connections = {connections // 2}" if connections > 1 else "a rate_per_s"
        yield Advice(
            "fewer_connections",
            f"Reduce the load on {markdown_text(shop)}: it refused {_percent(refused)} at {connections} connections; "
            f"try {remedy} for it in hosts.toml.",
        )
    for shop, mean_s in serving.filter(pl.col("mean_s") > rules.slow_s).select("shop", "mean_s").iter_rows():
        name = markdown_text(shop)
        yield Advice("slow_host", f"{name} is slow: {mean_s:.1f} s per link. More connections would make it slower.")


def _on_duration(expected: Forecast, settings: FetchSettings, rules: Rules) -> Iterator[Advice]:
    """Advises on how to shorten a long download, by its binding limit."""
    max_s = 3600 * rules.max_hours
    binding = expected.binding
    if binding.seconds <= max_s:
        return
    length = f"{duration(binding.seconds)}, bound by {markdown_text(binding.words)}"
    times = math.ceil(binding.seconds / max_s)
    if binding.kind in {"cores", "client", "pace"}:
        yield Advice("machines", f"Use {times} machines: on this one it takes {length}.")
    elif binding.kind == "connections":
        raised = times * settings.max_connections
        yield Advice("max_connections", f"Raise max_connections to {raised}: it takes {length}.")
    else:
        # Only as much as the other bounds allow.
        rest_s = max((bound.seconds for bound in expected.bounds if bound.shop is None), default=max_s)
        faster = math.ceil(binding.seconds / max(rest_s, max_s))
        host = expected.hosts.row(by_predicate=pl.col("shop") == binding.shop, named=True)
        by_rate = binding.kind == "host_rate"
        limit, unit = (host["rate_per_s"], "requests a second") if by_rate else (host["connections"], "connections")
        owner = markdown_text(str(binding.shop))
        yield Advice(
            "more_connections",
            f"Ask the owner of {owner} for {limit * faster:g} {unit}: the whole takes {length}.",
        )


def _closed(expected: Forecast, rules: Rules) -> pl.DataFrame:
    return expected.hosts.filter(
        (pl.col("shop") != OTHER_HOSTS)
        & (pl.col("sampled") >= rules.min_sampled)
        & (pl.col("refused") + pl.col("unreached") >= rules.refuses_all)
    ).select("shop", "links", "sampled")


def _manner(statuses: pl.DataFrame) -> str:
    """Describes the refusals of a host by their most frequent status."""
    refusals = [status for status in statuses["status"] if status not in {Status.HOST_PAUSED, Status.OK}]
    if refusals and refusals[0] == Status.DISALLOWED:
        return "forbids it in its robots.txt"
    return "refuses everything" if not refusals or refusals[0] == Status.HOST_REFUSED else "does not serve"


def duration(seconds: float) -> str:
    """Formats a length of time in a unit that fits it."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"
