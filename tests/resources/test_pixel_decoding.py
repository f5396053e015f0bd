"""`decode_ahead`: the same pixels as training sees, in order, in bounded memory; errors name the image."""

import io
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from ml.pixels import decode_pixels
from ml.recipe_types import Fit
from resources.pixel_decoding import PREFETCH, decode_ahead

SIDE = 24
FIT: Fit = "pad"


def jpeg(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (40 + seed % 7, 50, 3), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


BATCHES = [[jpeg(10 * batch + each) for each in range(1 + batch % 4)] for batch in range(12)]


@pytest.mark.parametrize("num_threads", [1, 2])
def test_batches_come_in_order_with_the_pixels_that_training_sees(num_threads: int) -> None:
    decoded = list(decode_ahead(BATCHES, SIDE, num_threads, fit=FIT))
    for pixels, batch in zip(decoded, BATCHES, strict=True):
        np.testing.assert_array_equal(pixels, decode_pixels(batch, SIDE, fit=FIT))


@pytest.mark.parametrize("num_threads", [1, 2])
def test_no_more_is_read_than_a_few_batches_ahead(num_threads: int) -> None:
    num_read = 0

    def counted() -> Iterator[list[bytes]]:
        nonlocal num_read
        for batch in BATCHES:
            num_read += 1
            yield batch

    for num_decoded, _ in enumerate(decode_ahead(counted(), SIDE, num_threads, fit=FIT), start=1):
        assert num_read <= num_decoded + PREFETCH * num_threads


def test_an_undecodable_image_is_named_by_its_position() -> None:
    with pytest.raises(ValueError, match="image 1 of 2 cannot be decoded"):
        list(decode_ahead([[jpeg(0), b"no image"]], SIDE, 2, fit=FIT))


def test_an_error_of_the_reader_ends_it_and_its_threads() -> None:
    def failing() -> Iterator[list[bytes]]:
        yield from BATCHES
        raise OSError("no such shard")

    num_threads = threading.active_count()
    with pytest.raises(OSError, match="no such shard"):
        list(decode_ahead(failing(), SIDE, 2, fit=FIT))
    assert threading.active_count() == num_threads


def test_a_caller_that_stops_early_ends_the_threads() -> None:
    num_threads = threading.active_count()
    decoded = decode_ahead(BATCHES, SIDE, 2, fit=FIT)
    next(decoded)
    decoded.close()  # type: ignore[attr-defined]
    assert threading.active_count() == num_threads
