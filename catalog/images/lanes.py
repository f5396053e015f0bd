"""Lanes: which task asks for which link, so that the limits of a host hold without anyone who counts.

A host is one lane, and a lane belongs to one task. A host that has more links than a task's even share is cut into
`LARGE_HOST_LANES` lanes by its links' addresses; tasks that hold some of them have that share of the host's limits.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from zlib import crc32

import polars as pl
from yarl import URL

from catalog.images.fetch_settings import FetchSettings
from catalog.images.hosts import host_of

LARGE_HOST_LANES = 8
MIN_LARGE_HOST_LINKS = 100  # below, several lanes would gain nothing

_PORT = r":\d+$"
_NOWHERE = ""  # the host of links that name none; nobody is asked for them


@dataclass(frozen=True)
class Lanes:
    """The lanes of `num_tasks` tasks; `shares` is each task's part of the limits of its hosts."""

    num_tasks: int
    shares: list[dict[str, Fraction]]

    def settings_of(self, task: int, settings: FetchSettings) -> FetchSettings:
        """What one task may do: of the limits of its hosts, its lanes' share; of all others', an even one.

        Others are met where a link leads on to another host. Each task may hold one connection there, at the least.
        """
        others = Fraction(1, self.num_tasks)
        known = set(settings.host_limits) | set(self.shares[task])
        limits = {
            host: replace(
                settings.host_limits.get(host, settings.politeness), share=self.shares[task].get(host, others)
            )
            for host in known
        }
        return replace(settings, politeness=replace(settings.politeness, share=others), host_limits=limits)


def plan_lanes(links: pl.Series, settings: FetchSettings, num_tasks: int) -> tuple[pl.Series, Lanes]:
    """The task (0 to `num_tasks` - 1) of each link, and the lanes behind it.

    Lanes are packed so that each task gets about as many links, and none is split.
    """
    if num_tasks < 1:
        raise ValueError(f"links need at least one task, not {num_tasks}")
    hosts = _hosts(links)
    num_links = Counter(hosts)
    even_share = max(MIN_LARGE_HOST_LINKS, len(links) / num_tasks)
    num_lanes = {host: _num_lanes(host, settings) if num > even_share else 1 for host, num in num_links.items()}
    lanes = [
        (host, crc32((url or "").encode()) % num_lanes[host] if num_lanes[host] > 1 else 0)
        for host, url in zip(hosts, links, strict=True)
    ]
    task_of_lane = _packed(Counter(lanes), num_tasks)
    shares: list[dict[str, Fraction]] = [defaultdict(Fraction) for _ in range(num_tasks)]
    for (host, _), task in task_of_lane.items():
        if host != _NOWHERE:
            shares[task][host] += Fraction(1, num_lanes[host])
    task_of = pl.Series("task", [task_of_lane[lane] for lane in lanes], pl.Int32)
    return task_of, Lanes(num_tasks, [dict(each) for each in shares])


def _num_lanes(host: str, settings: FetchSettings) -> int:
    """A lane needs a connection of its own."""
    if host == _NOWHERE:
        return LARGE_HOST_LANES
    return min(LARGE_HOST_LANES, settings.host_limits.get(host, settings.politeness).max_connections)


def _packed(num_links: Mapping[tuple[str, int], int], num_tasks: int) -> dict[tuple[str, int], int]:
    """The task of each lane: the largest lane first, to the task that has the fewest links so far."""
    loads = [(0, task) for task in range(num_tasks)]
    task_of_lane = {}
    for lane, num in sorted(num_links.items(), key=lambda item: (-item[1], item[0])):
        load, task = heapq.heappop(loads)
        task_of_lane[lane] = task
        heapq.heappush(loads, (load + num, task))
    return task_of_lane


def _hosts(links: pl.Series) -> list[str]:
    """The host of each link as limits name it: without a port, an international name in the form that is asked for."""
    frame = pl.DataFrame({"url": links.cast(pl.String)})
    written = frame.select(host_of("url").str.replace(_PORT, "").fill_null(_NOWHERE)).to_series()
    asked = {name: _asked_name(name) for name in written.unique()}
    return [asked[name] for name in written]


def _asked_name(written: str) -> str:
    try:
        return URL(f"http://{written}/").raw_host or _NOWHERE
    except ValueError:  # no link at all then, whatever it looks like
        return _NOWHERE
