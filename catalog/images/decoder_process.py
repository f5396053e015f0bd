"""Decoder process: one worker that decodes images, replaced when an image ends it or it stops.

An image at which a process ends is decoded once more, alone, in another process, because the machine may have ended
the first one. What the second time means:

- The kernel ended it at its limit of processor time: the image is CORRUPT, the first time already.
- It crashed, or sent invalid bytes: the image is CORRUPT.
- It sent nothing for `STALL_FACTOR` times the limit without using its processor time, or something else killed it: the
  machine stalled or ran out of memory, not the image. It is STALLED, which is retryable.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection

from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage, unpacked
from catalog.images.worker_processes import send_batch, start_worker

WORKER = "catalog.images.decoding_worker"
STALL_FACTOR = 3.0  # seconds on the clock for each second of processor time, in which a result has to come
STALLED = Status.TIMEOUT
_EXIT_TIMEOUT_S = 5.0  # for a process whose connection is closed
_HEAD_BYTES = 65_536  # of a packed result, more than it has beside the pixels


class DecodersClosedError(Exception):
    """The decoders were closed while an image was being decoded."""


class DecoderProcess:
    """One decoding process and the connection to it; used by one thread, closed by another."""

    def __init__(self, rules: ImageRules, timeout_s: float) -> None:
        names = ImageRules.__dataclass_fields__  # only these of a subclass: decoding needs no more
        self._rules = json.dumps({name: value for name, value in asdict(rules).items() if name in names})
        self._max_result_bytes = _HEAD_BYTES + 4 * rules.max_pixels
        self._timeout_s = timeout_s
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._changing = threading.Lock()
        self._closed = False

    def decode(self, batch: Sequence[bytes]) -> list[StoredImage | Status]:
        """Decodes the images; another process continues behind one at which the process ends or stops.

        Raises:
            OSError: no process can be started.
            DecodersClosedError: `close` was called meanwhile.
        """
        results: list[StoredImage | Status] = []
        is_second_try = False  # of the first image without a result, alone
        while len(results) < len(batch):
            num_before = len(results)
            connection = self._connection()
            try:
                self._exchange(connection, batch[num_before : num_before + 1 if is_second_try else None], results)
                is_second_try = False
            except (EOFError, OSError, ValueError) as error:  # it died, stalled or sent invalid bytes
                exit_code = self._end(_EXIT_TIMEOUT_S if isinstance(error, EOFError) else 0)
                if self._closed:
                    raise DecodersClosedError from error
                # Results before this image mean that it was the first try of another.
                is_second_try = is_second_try and len(results) == num_before
                if exit_code == -signal.SIGPROF:
                    results.append(Status.CORRUPT)
                elif is_second_try:
                    is_machine = isinstance(error, TimeoutError | BlockingIOError) or exit_code == -signal.SIGKILL
                    results.append(STALLED if is_machine else Status.CORRUPT)
                else:
                    is_second_try = True
                    continue
                is_second_try = False
        return results

    def close(self) -> None:
        """Kills the process; its thread gets DecodersClosedError, and no further process is started."""
        with self._changing:
            self._closed = True
            if self._running is not None:
                self._running[0].kill()

    def end(self) -> None:
        """Kills the process and waits for it; the next batch starts another."""
        self._end()

    def _end(self, wait_s: float = 0) -> int | None:
        """Ends the process and returns its exit code, if it ended by itself within `wait_s` seconds."""
        with self._changing:
            if self._running is None:
                return None
            process, connection = self._running
            exit_code: int | None = None
            if wait_s:
                try:
                    exit_code = process.wait(wait_s)
                except subprocess.TimeoutExpired:
                    exit_code = None
            process.kill()
            process.wait()
            connection.close()
            self._running = None
            return exit_code

    def _exchange(self, connection: Connection, batch: Sequence[bytes], results: list[StoredImage | Status]) -> None:
        """Sends the images and appends their results as they come."""
        send_batch(connection, batch)
        patience_s = STALL_FACTOR * self._timeout_s
        for _ in batch:
            if not connection.poll(patience_s):
                raise TimeoutError(f"no result within {patience_s} s")
            results.append(unpacked(connection.recv_bytes(self._max_result_bytes)))

    def _connection(self) -> Connection:
        with self._changing:
            if self._closed:
                raise DecodersClosedError
            if self._running is None:
                # Where no process can be started OSError propagates: otherwise every image would count as corrupt.
                self._running = start_worker(WORKER, self._rules, str(self._timeout_s))
            return self._running[1]
