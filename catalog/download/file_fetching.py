"""FileFetcher: reads the images of links below image roots, in threads, under the limits of every other link."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from catalog.download.fetched import UNKNOWN, Fetched, Validators
from catalog.download.host_limiter import HostLimiters, HostPausedError
from catalog.download.image_roots import PARTS_ROOT, FileLink, Roots
from catalog.download.local_files import ReadLimits, read_local
from catalog.download.remote_files import RemoteFiles
from catalog.download.settings import FetchSettings
from catalog.download.turns import Turns
from catalog.images.statuses import Status
from catalog.network.guards import BlockedAddressError, InvalidUrlError

_FAILURES_OF_ROOT = frozenset({Status.CONNECT_ERROR, Status.TIMEOUT, Status.HOST_REFUSED})


class FileFetcher:
    """A reader of files below the image roots of the settings. Each root is a host of its own."""

    def __init__(self, settings: FetchSettings, hosts: HostLimiters, turns: Turns) -> None:
        """Opens the roots.

        Raises:
            ImageRootError: a root cannot be used.
        """
        self._settings, self._hosts, self._turns = settings, hosts, turns
        self._roots = Roots(settings.image_roots, settings.parts)
        self._folders = [root.place for root in self._roots.roots if root.is_local]
        self._remote = {root.name: RemoteFiles(root) for root in self._roots.roots if not root.is_local}
        num_threads = max(1, len(self._roots.roots)) * settings.politeness.max_connections
        self._threads = ThreadPoolExecutor(min(num_threads, settings.max_connections), thread_name_prefix="image-root")

    def close(self) -> None:
        """Ends the threads; a read that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def fetch(self, link: str, rank: int, known: Validators | None) -> Fetched:
        """Reads one link; with `known`, only if the file is no longer that version. Never raises for a link."""
        try:
            found = self._roots.find(link)
        except (InvalidUrlError, UnicodeDecodeError):
            return Fetched(status=Status.INVALID_URL)
        except BlockedAddressError:
            return Fetched(status=Status.BLOCKED_ADDRESS)
        host = self._hosts[f"{found.root.host}:"]
        try:
            async with self._turns.turn(host, rank):
                started_at = asyncio.get_running_loop().time()
                fetched = await self._read_in_time(found, known or UNKNOWN)
                seconds = asyncio.get_running_loop().time() - started_at
        except HostPausedError:
            return Fetched(status=Status.HOST_PAUSED)
        if fetched.status not in _FAILURES_OF_ROOT:
            host.succeeded()
        elif not found.root.is_local:  # on a disk, one file that cannot be read says nothing about the next
            host.failed(started_at=started_at, is_first_attempt=True)
        return replace(fetched, duration_ms=seconds * 1000)

    async def _read_in_time(self, link: FileLink, known: Validators) -> Fetched:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await loop.run_in_executor(self._threads, self._read, link, known)
        except TimeoutError:  # the thread ends by itself, at the deadline of its next chunk
            return Fetched(status=Status.TIMEOUT, attempts=1)

    def _read(self, link: FileLink, known: Validators) -> Fetched:
        settings = self._settings
        if remote := self._remote.get(link.root.name):
            fetched = remote.read(link, settings.max_bytes, known)
        else:
            limits = ReadLimits(max_bytes=settings.max_bytes, deadline_s=time.monotonic() + settings.timeout_s)
            fetched = read_local(link, self._folders, limits, known)
        if link.root.name == PARTS_ROOT and fetched.status is Status.GONE:
            return replace(fetched, status=Status.CONNECT_ERROR)  # a redelivery writes it again
        return fetched
