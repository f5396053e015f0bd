"""Host queues: one queue of links per host, so that a slow host delays only its own links.

A queued link is a few words in memory, not a task: the links of a delivery of any size can be queued at once.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from catalog.download.downloader import Downloader, DownloadResult
from catalog.download.shard_plans import Link

MAX_SERVING = 4_096  # links in work at once over all hosts, most of them waiting for a slot

_HOST = re.compile(r"\s*(?:https?://([^/?#\s]+)|([a-z][a-z0-9+_-]*:(?://[^/?#\s]*)?))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class QueuedLink:
    """A link in a queue; where queues compete for a connection the lowest rank goes first."""

    link: Link
    rank: int
    is_wanted: Callable[[], bool]  # called when the link reaches the head of its queue
    on_end: Callable[[str | None, DownloadResult], None]


class HostQueues:
    """One first-in, first-out queue per host, each served by some tasks of the group."""

    def __init__(self, group: asyncio.TaskGroup, downloader: Downloader, max_serving_per_host: int) -> None:
        self._group = group
        self._downloader = downloader
        self._max_per_host = max_serving_per_host
        self._queues: dict[str, deque[QueuedLink]] = {}
        self._num_serving: dict[str, int] = {}
        self._unserved: deque[str] = deque()  # hosts whose queue no task serves
        self._total = 0

    def add(self, queued: QueuedLink) -> None:
        """Appends a link to its host's queue."""
        host = queue_of(queued.link.url)
        queue = self._queues.get(host)
        if queue is None:
            queue = self._queues[host] = deque()
            self._num_serving[host] = 0
        queue.append(queued)
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
        queue = self._queues[host]
        while queue:
            queued = queue.popleft()
            if queued.is_wanted():
                link = queued.link
                queued.on_end(link.url, await self._downloader.download(link.url, queued.rank, link.known))
        self._total -= 1
        self._num_serving[host] -= 1
        if not self._num_serving[host]:
            del self._queues[host], self._num_serving[host]
        while self._unserved and self._total < MAX_SERVING:
            next_host = self._unserved.popleft()
            if self._queues.get(next_host) and not self._num_serving[next_host]:
                self._start(next_host)


def queue_of(url: str | None) -> str:
    """Returns the name of a link's queue: its host and port as written, or a root's name or URL, or an empty text."""
    found = _HOST.match(url) if url else None
    return (found[1] or found[2]).lower() if found else ""
