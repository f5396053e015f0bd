"""Pixel decoders: processes that decode stored pictures while a network computes, always a few batches ahead."""

import queue
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np

from catalog.worker_processes import send_batch, started
from ml.pixels import Pixels, decode_pixels
from resources.pixel_worker import ERROR

WORKER = "resources.pixel_worker"
AHEAD = 2  # batches for each process: one in work, one ready


class DecoderError(RuntimeError):
    """A decoding process died."""


class PixelDecoders:
    """So many decoding processes, in a `with` block; with none of them, this process decodes in threads.

    What waits is bounded, so memory does not grow with the number of pictures.
    """

    def __init__(self, num_processes: int, resolution: int) -> None:
        self._resolution, self._num = resolution, num_processes
        self._threads = ThreadPoolExecutor(max(1, num_processes))
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._processes: list[_Process] = []

    def __enter__(self) -> "PixelDecoders":
        # All at once: each takes a second to start.
        self._processes = list(self._threads.map(_Process, [self._resolution] * self._num))
        for process in self._processes:
            self._idle.put(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.end()
        self._threads.shutdown(cancel_futures=True)

    @property
    def pids(self) -> list[int]:
        """The process ids of what decodes."""
        return [process.pid for process in self._processes]

    def decoded(self, batches: Iterable[Sequence[bytes]]) -> Iterator[Pixels]:
        """The pixels of each batch, (num, 3, resolution, resolution), in the order of the batches.

        Raises:
            ValueError: a picture cannot be decoded; the message gives its position within its batch.
            DecoderError: a process died.
        """
        waiting: deque[Future[Pixels]] = deque()
        for batch in batches:
            waiting.append(self._threads.submit(self._decode, batch))
            if len(waiting) > AHEAD * max(1, self._num):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _decode(self, batch: Sequence[bytes]) -> Pixels:
        if not self._num:
            return decode_pixels(batch, self._resolution)
        process = self._idle.get()
        try:
            return process.decode(batch)
        finally:
            self._idle.put(process)


class _Process:
    """One decoding process and the connection to it."""

    def __init__(self, resolution: int) -> None:
        self._resolution = resolution
        self._process, self._connection = started(WORKER, str(resolution))
        self.pid = self._process.pid

    def decode(self, batch: Sequence[bytes]) -> Pixels:
        """The pixels of a batch."""
        try:
            send_batch(self._connection, batch)
            kind, said = self._connection.recv_bytes(), self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise DecoderError(
                f"decoding process `{sys.executable} -m {WORKER}` ended with {self._process.wait()}; what was answered "
                "before is kept, run this again"
            ) from error
        if kind == ERROR:
            raise ValueError(said.decode())
        shape = (len(batch), 3, self._resolution, self._resolution)
        return np.frombuffer(said, dtype=np.uint8).reshape(shape)

    def end(self) -> None:
        """Kills the process and waits for it."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
