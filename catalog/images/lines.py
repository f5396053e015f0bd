"""Lines: links wait in line before their hosts, so that a slow shop keeps nobody waiting but its own customers.

A link in line is a few words in memory, not a task: a delivery of any size can stand in line at once.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from catalog.images.downloading import Downloader, Ending
from catalog.images.shard_plans import Link

MAX_SERVING = 4_096  # links being served at once over all hosts, most of them waiting for their turn

_HOST = re.compile(r"\s*https?://([^/?#\s]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A link in line; the lowest rank goes first where lines compete for a connection."""

    link: Link
    rank: int
    is_wanted: Callable[[], bool]  # asked when it comes to the head of its line
    on_end: Callable[[str | None, Ending], None]


class Lines:
    """One line before each host, first come, first served; a host's line is served by some tasks of the group."""

    def __init__(self, group: asyncio.TaskGroup, downloader: Downloader, max_serving_per_host: int) -> None:
        self._group = group
        self._downloader = downloader
        self._max_per_host = max_serving_per_host
        self._waiting: dict[str, deque[Waiting]] = {}
        self._num_serving: dict[str, int] = {}
        self._unserved: deque[str] = deque()  # hosts whose line has nobody to serve it
        self._total = 0

    def add(self, waiting: Waiting) -> None:
        """Puts a link at the end of its host's line."""
        host = host_of(waiting.link.url)
        line = self._waiting.get(host)
        if line is None:
            line = self._waiting[host] = deque()
            self._num_serving[host] = 0
        line.append(waiting)
        if self._num_serving[host] >= self._max_per_host:
            return
        if self._total < MAX_SERVING:
            self._start(host)
        elif not self._num_serving[host]:
            self._unserved.append(host)

    def _start(self, host: str) -> None:
        self._total += 1
        self._num_serving[host] += 1
        self._group.create_task(self._serve(host))

    async def _serve(self, host: str) -> None:
        line = self._waiting[host]
        while line:
            waiting = line.popleft()
            if waiting.is_wanted():
                link = waiting.link
                waiting.on_end(link.url, await self._downloader.end(link.url, waiting.rank, link.known))
        self._total -= 1
        self._num_serving[host] -= 1
        if not self._num_serving[host]:
            del self._waiting[host], self._num_serving[host]
        while self._unserved and self._total < MAX_SERVING:
            next_host = self._unserved.popleft()
            if self._waiting.get(next_host) and not self._num_serving[next_host]:
                self._start(next_host)


def host_of(url: str | None) -> str:
    """The host and port that a link names, as written; empty where it names none."""
    found = _HOST.match(url) if url else None
    return found[1].lower() if found else ""
