"""Decoders: processes that decode, so that every core works and no hostile picture takes the download with it."""

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

from catalog.images.picture import Picture, PictureRules, unpacked
from catalog.images.statuses import Status
from catalog.worker_processes import send_batch, started

MAX_BATCH_PICTURES = 8
MAX_BATCH_BYTES = 4_000_000
MAX_WAITING_BYTES = 64_000_000
WORKER = "catalog.images.decoding_worker"
NUM_REMEMBERED = 256  # some megabytes: shops show one "no picture yet" picture for thousands of products


@dataclass(frozen=True, slots=True)
class _Job:
    """A picture that waits, and who waits for it."""

    data: bytes
    decoded: asyncio.Future[Picture | Status]


class DecodersClosedError(Exception):
    """The decoders were closed in the middle of a picture."""


class Decoders:
    """So many decoding processes, each started when there is work for it; use as a context manager in a running loop.

    While they are behind, `ready` is cleared: back pressure for whoever fetches. A process that dies of a picture, or
    takes longer than `timeout_s` for it, is replaced, and the picture is CORRUPT.
    """

    def __init__(self, rules: PictureRules, num_processes: int, timeout_s: float) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._max_waiting = 2 * MAX_BATCH_PICTURES * num_processes
        self._num_waiting = self._num_waiting_bytes = 0
        self._remembered: OrderedDict[bytes, asyncio.Future[Picture | Status]] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self.ready = asyncio.Event()
        self.ready.set()
        self._processes = [_Process(rules, timeout_s) for _ in range(num_processes)]
        self._threads = [threading.Thread(target=self._feed, args=(each,), daemon=True) for each in self._processes]
        for thread in self._threads:
            thread.start()

    async def decode(self, data: bytes) -> Picture | Status:
        """What `catalog.images.decoding.decode` gives; bytes that came lately are not decoded again."""
        key = sha256(data).digest()
        known = self._remembered.get(key)
        if known is not None:
            self._remembered.move_to_end(key)
            return await asyncio.shield(known)
        job = _Job(data, self._loop.create_future())
        self._remembered[key] = job.decoded
        while len(self._remembered) > NUM_REMEMBERED:
            self._remembered.popitem(last=False)
        self._count(1, len(data))
        self._jobs.put(job)
        try:
            return await asyncio.shield(job.decoded)
        finally:
            self._count(-1, -len(data))

    def close(self) -> None:
        """Ends the processes, in the middle of a picture if need be."""
        for _ in self._threads:
            self._jobs.put(None)
        for process in self._processes:
            process.close()
        for thread in self._threads:
            thread.join()

    def _count(self, num_pictures: int, num_bytes: int) -> None:
        self._num_waiting += num_pictures
        self._num_waiting_bytes += num_bytes
        if self._num_waiting < self._max_waiting and self._num_waiting_bytes < MAX_WAITING_BYTES:
            self.ready.set()
        else:
            self.ready.clear()

    def _feed(self, process: _Process) -> None:
        """The life of one process's thread: batch after batch until told to end."""
        while batch := self._next_batch():
            try:
                answers: Sequence[Picture | Status | OSError] = process.decode([job.data for job in batch])
            except OSError as error:  # no process can be started: told to whoever waits, there it fails the delivery
                answers = [error] * len(batch)
            except DecodersClosedError:
                break
            self._loop.call_soon_threadsafe(_deliver, batch, answers)
        process.end()

    def _next_batch(self) -> list[_Job]:
        """The next job and what waits behind it, within bounds; nothing at the end."""
        batch: list[_Job] = []
        num_bytes = 0
        try:
            job = self._jobs.get()
            while job is not None:
                batch.append(job)
                num_bytes += len(job.data)
                if len(batch) == MAX_BATCH_PICTURES or num_bytes >= MAX_BATCH_BYTES:
                    return batch
                job = self._jobs.get_nowait()
            if batch:
                self._jobs.put(None)  # the end is told again once this batch is done
        except queue.Empty:
            pass
        return batch


def _deliver(batch: Sequence[_Job], answers: Sequence[Picture | Status | OSError]) -> None:
    for job, answer in zip(batch, answers, strict=True):
        if job.decoded.done():
            continue
        if isinstance(answer, OSError):
            job.decoded.set_exception(answer)
        else:
            job.decoded.set_result(answer)


class _Process:
    """One decoding process and the connection to it; used by one thread, closed by another."""

    def __init__(self, rules: PictureRules, timeout_s: float) -> None:
        names = PictureRules.__dataclass_fields__  # of whatever subclass it is, decoding needs no more
        self._rules = json.dumps({name: value for name, value in asdict(rules).items() if name in names})
        self._timeout_s = timeout_s
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._changing = threading.Lock()
        self._closed = False

    def decode(self, batch: Sequence[bytes]) -> list[Picture | Status]:
        """The pictures' answers. A picture at which the process ends or stalls is CORRUPT; another one goes on."""
        answers: list[Picture | Status] = []
        is_second_try = False
        while len(answers) < len(batch):
            num_before = len(answers)
            connection = self._connection()
            try:
                self._exchange(connection, batch[num_before:], answers)
            except (EOFError, OSError, ValueError) as error:  # it died, stalled or talks nonsense
                self.end()
                if self._closed:
                    raise DecodersClosedError from error
                # A process that died before its first answer may have been killed for something else.
                is_first_picture = len(answers) == num_before and not isinstance(error, TimeoutError)
                is_second_try = is_first_picture and not is_second_try
                if not is_second_try:
                    answers.append(Status.CORRUPT)
        return answers

    def close(self) -> None:
        """Kills the process; whoever exchanges with it meets DecodersClosedError, and no further one is started."""
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

    def _exchange(self, connection: Connection, batch: Sequence[bytes], answers: list[Picture | Status]) -> None:
        """Sends the pictures and appends their answers as they come."""
        send_batch(connection, batch)
        for _ in batch:
            if not connection.poll(self._timeout_s):
                raise TimeoutError(f"no answer within {self._timeout_s} s")
            answers.append(unpacked(connection.recv_bytes()))

    def _connection(self) -> Connection:
        with self._changing:
            if self._closed:
                raise DecodersClosedError
            if self._running is None:
                # Where none can be started, every picture would be taken for corrupt: OSError goes on.
                self._running = started(WORKER, self._rules)
            return self._running[1]
