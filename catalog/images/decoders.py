"""Decoders: decode images in worker processes, so that every core works and no hostile image can kill the download."""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from multiprocessing.connection import Connection

from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage, unpacked
from catalog.images.worker_processes import send_batch, start_worker

MAX_BATCH_IMAGES = 8
MAX_BATCH_BYTES = 4_000_000
MAX_WAITING_BYTES = 64_000_000
WORKER = "catalog.images.decoding_worker"
NUM_CACHED = 256  # some megabytes: shops use one "no image yet" image for thousands of products


@dataclass(frozen=True, slots=True)
class _Job:
    """An image to decode, and the future of its result."""

    data: bytes
    decoded: asyncio.Future[StoredImage | Status]


class DecodersClosedError(Exception):
    """The decoders were closed while an image was being decoded."""


class Decoders:
    """`num_processes` decoding processes, each started with its first image; create them in a running loop.

    While too many images wait, `ready` is cleared: back pressure for the fetcher. A process that an image kills, or
    that takes longer than `timeout_s` for it, is replaced, and the image is CORRUPT.
    """

    def __init__(self, rules: ImageRules, num_processes: int, timeout_s: float) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._max_waiting = 2 * MAX_BATCH_IMAGES * num_processes
        self._num_waiting = self._num_waiting_bytes = 0
        self._recent: OrderedDict[bytes, asyncio.Future[StoredImage | Status]] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self.ready = asyncio.Event()
        self.ready.set()
        self._processes = [_Process(rules, timeout_s) for _ in range(num_processes)]
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
            return await asyncio.shield(job.decoded)
        finally:
            self._count(-1, -len(data))

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

    def _feed(self, process: _Process) -> None:
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


class _Process:
    """One decoding process and the connection to it; used by one thread, closed by another."""

    def __init__(self, rules: ImageRules, timeout_s: float) -> None:
        names = ImageRules.__dataclass_fields__  # only these of a subclass: decoding needs no more
        self._rules = json.dumps({name: value for name, value in asdict(rules).items() if name in names})
        self._timeout_s = timeout_s
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._changing = threading.Lock()
        self._closed = False

    def decode(self, batch: Sequence[bytes]) -> list[StoredImage | Status]:
        """Decodes the images. One at which the process ends or stalls is CORRUPT; another process continues."""
        results: list[StoredImage | Status] = []
        is_second_try = False
        while len(results) < len(batch):
            num_before = len(results)
            connection = self._connection()
            try:
                self._exchange(connection, batch[num_before:], results)
            except (EOFError, OSError, ValueError) as error:  # it died, stalled or sent invalid bytes
                self.end()
                if self._closed:
                    raise DecodersClosedError from error
                # A process that died before its first result may have been killed for another reason.
                is_first_image = len(results) == num_before and not isinstance(error, TimeoutError)
                is_second_try = is_first_image and not is_second_try
                if not is_second_try:
                    results.append(Status.CORRUPT)
        return results

    def close(self) -> None:
        """Kills the process; its thread gets DecodersClosedError, and no further process is started."""
        with self._changing:
            self._closed = True
            if self._running is not None:
                self._running[0].kill()

    def end(self) -> None:
        """Kills the process and waits for it; the next batch starts another."""
        with self._changing:
            if self._running is not None:
                process, connection = self._running
                process.kill()
                process.wait()
                connection.close()
                self._running = None

    def _exchange(self, connection: Connection, batch: Sequence[bytes], results: list[StoredImage | Status]) -> None:
        """Sends the images and appends their results as they come."""
        send_batch(connection, batch)
        for _ in batch:
            if not connection.poll(self._timeout_s):
                raise TimeoutError(f"no result within {self._timeout_s} s")
            results.append(unpacked(connection.recv_bytes()))

    def _connection(self) -> Connection:
        with self._changing:
            if self._closed:
                raise DecodersClosedError
            if self._running is None:
                # Where no process can be started OSError propagates: otherwise every image would count as corrupt.
                self._running = start_worker(WORKER, self._rules)
            return self._running[1]
