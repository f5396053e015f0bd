"""Decoders: decode images in worker processes, so that every core works and no hostile image can kill the download."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from catalog.images.decoder_limits import affordable_decoders
from catalog.images.decoder_process import DecoderProcess, DecodersClosedError
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage

MAX_BATCH_IMAGES = 8
MAX_BATCH_BYTES = 4_000_000
MAX_WAITING_BYTES = 64_000_000
NUM_CACHED = 256  # some megabytes: shops use one "no image yet" image for thousands of products


@dataclass(frozen=True, slots=True)
class _Job:
    """An image to decode, and the future of its result."""

    data: bytes
    decoded: asyncio.Future[StoredImage | Status]


class Decoders:
    """`num_processes` decoding processes, each started with its first image; create them in a running loop.

    There are fewer where memory has no room for so many of the largest images. While too many images wait, `ready` is
    cleared: back pressure for the fetcher. A process that an image kills, or that needs more than `timeout_s` of
    processor time for it, is replaced, and the image is CORRUPT; if the machine stalls instead, the image's status is
    retryable (see `decoder_process`).
    """

    def __init__(self, rules: ImageRules, num_processes: int, timeout_s: float) -> None:
        num_processes = min(num_processes, affordable_decoders(rules))
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._max_waiting = 2 * MAX_BATCH_IMAGES * num_processes
        self._num_waiting = self._num_waiting_bytes = 0
        self._recent: OrderedDict[bytes, asyncio.Future[StoredImage | Status]] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self.ready = asyncio.Event()
        self.ready.set()
        self._processes = [DecoderProcess(rules, timeout_s) for _ in range(num_processes)]
        self._threads = [
            threading.Thread(target=self._feed, args=(process,), daemon=True) for process in self._processes
        ]
        for thread in self._threads:
            thread.start()

    async def decode(self, data: bytes) -> StoredImage | Status:
        """Decodes as `catalog.images.decoding.decode` does; bytes that were decoded recently are not decoded again."""
        key = sha256(data).digest()
        cached = self._recent.get(key)
        if cached is not None:
            self._recent.move_to_end(key)
            return await asyncio.shield(cached)
        job = _Job(data, self._loop.create_future())
        self._recent[key] = job.decoded
        while len(self._recent) > NUM_CACHED:
            self._recent.popitem(last=False)
        self._count(1, len(data))
        self._jobs.put(job)
        try:
            result = await asyncio.shield(job.decoded)
        finally:
            self._count(-1, -len(data))
        if isinstance(result, Status) and result.retryable:
            self._recent.pop(key, None)
        return result

    def close(self) -> None:
        """Ends the processes, even while an image is being decoded."""
        for _ in self._threads:
            self._jobs.put(None)
        for process in self._processes:
            process.close()
        for thread in self._threads:
            thread.join()

    def _count(self, num_images: int, num_bytes: int) -> None:
        self._num_waiting += num_images
        self._num_waiting_bytes += num_bytes
        if self._num_waiting < self._max_waiting and self._num_waiting_bytes < MAX_WAITING_BYTES:
            self.ready.set()
        else:
            self.ready.clear()

    def _feed(self, process: DecoderProcess) -> None:
        """Feeds one process with batches until the decoders are closed; runs in a thread."""
        while batch := self._next_batch():
            try:
                results: Sequence[StoredImage | Status | OSError] = process.decode([job.data for job in batch])
            except OSError as error:  # no process can be started: raised to the callers, it fails the delivery
                results = [error] * len(batch)
            except DecodersClosedError:
                break
            self._loop.call_soon_threadsafe(_deliver, batch, results)
        process.end()

    def _next_batch(self) -> list[_Job]:
        """The next job and those that wait behind it, within bounds; an empty list at the end."""
        batch: list[_Job] = []
        num_bytes = 0
        try:
            job = self._jobs.get()
            while job is not None:
                batch.append(job)
                num_bytes += len(job.data)
                if len(batch) == MAX_BATCH_IMAGES or num_bytes >= MAX_BATCH_BYTES:
                    return batch
                job = self._jobs.get_nowait()
            if batch:
                self._jobs.put(None)  # for the next call
        except queue.Empty:
            pass
        return batch


def _deliver(batch: Sequence[_Job], results: Sequence[StoredImage | Status | OSError]) -> None:
    for job, result in zip(batch, results, strict=True):
        if job.decoded.done():
            continue
        if isinstance(result, OSError):
            job.decoded.set_exception(result)
        else:
            job.decoded.set_result(result)
