"""Host partitions: assigns links to tasks by host, so that the limits of a host hold without any coordination.

A host is one partition, and a partition belongs to one task. A host with more links than a task's even share is split
into `LARGE_HOST_PARTITIONS` partitions by the addresses of its links; a task with some of them gets that share of the
host's limits.
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

from catalog.download.hosts import host_of
from catalog.download.image_roots import HOST_PREFIX, Roots
from catalog.download.settings import FetchSettings

LARGE_HOST_PARTITIONS = 8
MIN_LARGE_HOST_LINKS = 100  # below, several partitions would gain nothing

_PORT = r":\d+$"
_NO_HOST = ""  # of links that name none; they lead to no request


@dataclass(frozen=True)
class HostPartitions:
    """The partitions of `num_tasks` tasks; `shares` is each task's part of the limits of its hosts."""

    num_tasks: int
    shares: list[dict[str, Fraction]]

    def settings_of(self, task: int, settings: FetchSettings) -> FetchSettings:
        """Returns the settings of one task: its partitions' share of the limits of its hosts, an even one of others.

        Other hosts are met where a link redirects to them. A task may always open one connection to each.
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


def plan_host_partitions(links: pl.Series, settings: FetchSettings, num_tasks: int) -> tuple[pl.Series, HostPartitions]:
    """Assigns a task (0 to `num_tasks` - 1) to each link, about the same number of links to each task.

    Returns:
        The task of each link, and the partitions.

    Raises:
        ValueError: there is no task.
    """
    if num_tasks < 1:
        raise ValueError(f"links need at least one task, not {num_tasks}")
    hosts = _hosts(links, settings)
    num_links = Counter(hosts)
    even_share = max(MIN_LARGE_HOST_LINKS, len(links) / num_tasks)
    num_partitions = {
        host: _num_partitions(host, settings) if num > even_share else 1 for host, num in num_links.items()
    }
    partitions = [
        (host, crc32((url or "").encode()) % num_partitions[host] if num_partitions[host] > 1 else 0)
        for host, url in zip(hosts, links, strict=True)
    ]
    task_of_partition = _packed(Counter(partitions), num_tasks)
    shares: list[dict[str, Fraction]] = [defaultdict(Fraction) for _ in range(num_tasks)]
    for (host, _), task in task_of_partition.items():
        if host != _NO_HOST:
            shares[task][host] += Fraction(1, num_partitions[host])
    task_of = pl.Series("task", [task_of_partition[partition] for partition in partitions], pl.Int32)
    return task_of, HostPartitions(num_tasks, [dict(share) for share in shares])


def _num_partitions(host: str, settings: FetchSettings) -> int:
    """The partitions of a large host; each needs a connection of its own."""
    if host == _NO_HOST:
        return LARGE_HOST_PARTITIONS
    return min(LARGE_HOST_PARTITIONS, settings.host_limits.get(host, settings.politeness).max_connections)


def _packed(num_links: Mapping[tuple[str, int], int], num_tasks: int) -> dict[tuple[str, int], int]:
    """The task of each partition: the largest partition first, to the task that has the fewest links so far."""
    loads = [(0, task) for task in range(num_tasks)]
    task_of_partition = {}
    for partition, num in sorted(num_links.items(), key=lambda item: (-item[1], item[0])):
        load, task = heapq.heappop(loads)
        task_of_partition[partition] = task
        heapq.heappush(loads, (load + num, task))
    return task_of_partition


def _hosts(links: pl.Series, settings: FetchSettings) -> list[str]:
    """The host of each link as limits name it: without a port, an international name in punycode."""
    roots = Roots(settings.image_roots, settings.parts).roots
    frame = pl.DataFrame({"url": links.cast(pl.String)})
    written = frame.select(host_of("url", roots).str.replace(_PORT, "").fill_null(_NO_HOST)).to_series()
    encoded = {name: _encoded(name) for name in written.unique()}
    return [encoded[name] for name in written]


def _encoded(name: str) -> str:
    if name.startswith(HOST_PREFIX):
        return name
    try:
        return URL(f"http://{name}/").raw_host or _NO_HOST
    except ValueError:  # no valid link, whatever it looks like
        return _NO_HOST
