"""Pixel decoding: stored images to pixels, in threads, a few batches ahead of the network."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ml.pixels import Pixels, decode_pixels
from ml.recipe_types import Fit

PREFETCH = 2  # batches per thread: one being decoded, one queued


def decode_ahead(
    batches: Iterable[Sequence[bytes]], resolution: int, num_threads: int, *, fit: Fit
) -> Iterator[Pixels]:
    """Yields the pixels of each batch, (num, 3, resolution, resolution), in the order of the batches.

    Each thread decodes a batch at a time; Pillow releases the GIL. The number of pending batches is bounded, so memory
    does not grow with the number of images.

    Raises:
        ValueError: an image cannot be decoded; the message gives its position within its batch.
    """
    pending: deque[Future[Pixels]] = deque()
    with ThreadPoolExecutor(num_threads) as threads:
        try:
            for batch in batches:
                pending.append(threads.submit(decode_pixels, batch, resolution, num_threads=1, fit=fit))
                if len(pending) > PREFETCH * num_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for each in pending:
                each.cancel()
