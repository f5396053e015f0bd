"""A downloader without a network: counts the links in work at once and takes as long as each host should."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from types import TracebackType

from catalog.download.downloader import DownloadResult, timed_out
from catalog.download.fetched import Fetched, Validators
from catalog.download.host_queues import queue_of
from catalog.images.statuses import Status


class FakeDownloader:
    """Stands in for `Downloader`; every link ends as GONE after its host's seconds."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.seconds = seconds
        self.ended: list[str] = []
        self.serving: dict[str, int] = defaultdict(int)
        self.most_serving: dict[str, int] = defaultdict(int)
        self.most_in_all = 0

    async def __aenter__(self) -> "FakeDownloader":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    async def download(self, url: str, rank: int, known: Validators) -> DownloadResult:
        host = queue_of(url)
        self.serving[host] += 1
        self.most_serving[host] = max(self.most_serving[host], self.serving[host])
        self.most_in_all = max(self.most_in_all, sum(self.serving.values()))
        await asyncio.sleep(self.seconds.get(host, 0))
        self.serving[host] -= 1
        self.ended.append(url)
        gone = Fetched(status=Status.GONE)
        return DownloadResult(status=gone.status, fetched=gone, image=None, fetched_at=timed_out().fetched_at)
