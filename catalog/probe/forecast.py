"""Forecast: the time that a whole download takes, and the limit that determines it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from catalog.download.settings import FetchSettings
from catalog.images.statuses import REFUSED, UNREACHED, Status, values
from catalog.probe.probing import Probed
from catalog.probe.sampling import NO_HOST, OTHER_HOSTS

MIN_PACED_LINKS = 1_000  # the pace of a smaller probe is that of its start


@dataclass(frozen=True)
class Bound:
    """One lower bound of a download's time."""

    kind: str  # host_connections, host_rate, connections, cores, client, pace
    seconds: float
    words: str
    shop: str | None = None


@dataclass(frozen=True)
class Forecast:
    """The time of a whole download: its lower bounds, the largest first, and the hosts, slowest first.

    `hosts` has shop, links, sampled, ok, refused, unreached (shares of the links), mean_s, connections, rate_per_s
    (null: no limit), seconds, bound_by.
    """

    links: int
    bounds: tuple[Bound, ...]
    hosts: pl.DataFrame

    @property
    def binding(self) -> Bound:
        return self.bounds[0]

    @property
    def seconds(self) -> float:
        return self.binding.seconds


def forecast(probed: Probed, settings: FetchSettings, num_cores: int) -> Forecast:
    """Forecasts a download from a probe.

    Time on the wire fills a host's connections, and all connections of the machine; decoding and the client fill the
    cores, and the client is one thread; the probe's own pace includes whatever else slows this machine down. The
    slowest of these is the time of the whole; Retry-After and pauses of hosts come on top.
    """
    rows = probed.rows
    links = round(rows["weight"].sum())
    bodies = float(rows.filter(pl.col("bytes_fetched") > 0)["weight"].sum())
    hosts = host_times(rows, settings)
    wire_s = float((rows["weight"] * rows["duration_ms"]).sum()) / 1000
    client_s = links * probed.client_ms / 1000
    cores_s = (bodies * probed.decode_ms + links * probed.process_ms) / 1000 / num_cores
    bounds = [
        Bound(
            "connections",
            wire_s / settings.max_connections,
            f"the time on the wire over {settings.max_connections} connections",
        ),
        Bound("cores", cores_s, f"decoding and fetching on {num_cores} cores"),
        Bound("client", client_s, "fetching, which one core does"),
    ]
    if rows.height >= MIN_PACED_LINKS:
        bounds.append(Bound("pace", links * probed.pace_ms / 1000, "the pace that this machine reached in the probe"))
    named = hosts.filter(pl.col("shop") != OTHER_HOSTS)  # each of those is smaller than any named one
    for shop, seconds, kind, connections, rate in named.select(
        "shop", "seconds", "bound_by", "connections", "rate_per_s"
    ).iter_rows():
        limit = f"{rate:g} requests a second" if kind == "host_rate" else f"{connections} connections"
        bounds.append(Bound(kind, seconds, f"{shop} at {limit}", shop))
    return Forecast(links, tuple(sorted(bounds, key=lambda bound: -bound.seconds)), hosts)


def host_times(rows: pl.DataFrame, settings: FetchSettings) -> pl.DataFrame:
    """Returns each host's links, their outcomes, and the seconds that all its links take within its limits."""
    by_connections = pl.col("wire_s") / pl.col("connections")
    by_rate = pl.col("links") / pl.col("rate_per_s")  # null without a limit
    weight = pl.col("weight")

    def share(statuses: Collection[Status]) -> pl.Expr:
        return (weight * pl.col("status").is_in(values(statuses))).sum() / weight.sum()

    shops = rows.filter(pl.col("shop") != NO_HOST)
    return (
        shops.group_by("shop")
        .agg(
            links=weight.sum().round().cast(pl.Int64),
            sampled=pl.len(),
            ok=share({Status.OK}),
            refused=share(REFUSED),
            unreached=share(UNREACHED),
            mean_s=(weight * pl.col("duration_ms")).sum() / weight.sum() / 1000,
            wire_s=(weight * pl.col("duration_ms")).sum() / 1000,
        )
        .join(_limits(shops["shop"].unique().to_list(), settings), on="shop")
        .with_columns(
            seconds=pl.max_horizontal(by_rate, by_connections),
            bound_by=pl.when(by_rate > by_connections).then(pl.lit("host_rate")).otherwise(pl.lit("host_connections")),
        )
        .drop("wire_s")
        .sort("seconds", "shop", descending=[True, False])
    )


def _limits(shops: list[str], settings: FetchSettings) -> pl.DataFrame:
    """The connections and the rate for each shop; the limits of a host hold at any port."""
    limits_of = [settings.host_limits.get(_name(shop), settings.politeness) for shop in shops]
    return pl.DataFrame(
        [(shop, limits.max_connections, limits.rate_per_s) for shop, limits in zip(shops, limits_of, strict=True)],
        schema={"shop": pl.String, "connections": pl.Int64, "rate_per_s": pl.Float64},
        orient="row",
    )


def _name(shop: str) -> str:
    name = shop.rpartition(":")[0] if re.search(r":[0-9]+$", shop) else shop
    return name.strip("[]")
