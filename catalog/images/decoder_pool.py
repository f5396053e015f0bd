"""Decoder pool: decodes batches of images in worker processes, for callers without an event loop."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from catalog.images.decoder_limits import affordable_decoders
from catalog.images.decoder_process import DecoderProcess
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage

TIMEOUT_S = 20.0  # of processor time an image
MAX_BATCH_IMAGES = 8


class DecoderPool:
    """At most `num_processes` decoding processes, fewer where memory has no room for them; usable as a context manager.

    They start with the first images, and end with this process or with `close`.
    """

    def __init__(self, rules: ImageRules, num_processes: int, timeout_s: float = TIMEOUT_S) -> None:
        self._num_processes = max(1, min(num_processes, affordable_decoders(rules)))
        self._idle: queue.SimpleQueue[DecoderProcess] = queue.SimpleQueue()
        self._processes = [DecoderProcess(rules, timeout_s) for _ in range(self._num_processes)]
        for process in self._processes:
            self._idle.put(process)

    def decode(self, images: Sequence[bytes]) -> list[StoredImage | Status]:
        """Decodes images as `catalog.images.decoding.decode` does, in their order; none of them raises.

        Raises:
            OSError: no process can be started.
        """
        # Small batches, so that all processes end at about the same time.
        size = max(1, min(MAX_BATCH_IMAGES, -(-len(images) // self._num_processes)))
        batches = [images[start : start + size] for start in range(0, len(images), size)]
        if len(batches) < 2:
            return [result for batch in batches for result in self._decode(batch)]
        with ThreadPoolExecutor(self._num_processes, thread_name_prefix="decoder") as threads:
            return [result for results in threads.map(self._decode, batches) for result in results]

    def close(self) -> None:
        """Ends the processes."""
        for process in self._processes:
            process.close()
            process.end()

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self, batch: Sequence[bytes]) -> list[StoredImage | Status]:
        process = self._idle.get()
        try:
            return process.decode(batch)
        finally:
            self._idle.put(process)
