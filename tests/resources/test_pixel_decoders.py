"""PixelDecoders: the same pixels as one process gives, in order, within bounds, and whatever goes wrong is told."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.pixels import decode_pixels
from resources.pixel_decoders import AHEAD, DecoderError, PixelDecoders

SIDE = 24


def jpeg(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (40 + seed % 7, 50, 3), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


BATCHES = [[jpeg(10 * batch + each) for each in range(1 + batch % 4)] for batch in range(12)]


@pytest.mark.parametrize("num_processes", [0, 1, 2])
def test_batches_come_in_order_with_the_pixels_that_training_sees(num_processes: int) -> None:
    with PixelDecoders(num_processes, SIDE) as decoders:
        decoded = list(decoders.decoded(BATCHES))
    for pixels, batch in zip(decoded, BATCHES, strict=True):
        np.testing.assert_array_equal(pixels, decode_pixels(batch, SIDE))


@pytest.mark.parametrize("num_processes", [0, 2])
def test_no_more_is_read_than_a_few_batches_ahead(num_processes: int) -> None:
    num_read = 0

    def counted() -> Iterator[list[bytes]]:
        nonlocal num_read
        for batch in BATCHES:
            num_read += 1
            yield batch

    with PixelDecoders(num_processes, SIDE) as decoders:
        for num_decoded, _ in enumerate(decoders.decoded(counted()), start=1):
            assert num_read <= num_decoded + AHEAD * max(1, num_processes)


@pytest.mark.parametrize("num_processes", [0, 1])
def test_a_picture_that_cannot_be_decoded_is_told_by_its_place(num_processes: int) -> None:
    with (
        PixelDecoders(num_processes, SIDE) as decoders,
        pytest.raises(ValueError, match="picture 1 of 2 cannot be decoded"),
    ):
        list(decoders.decoded([[jpeg(0), b"no picture"]]))


def test_a_process_that_is_killed_is_told() -> None:
    with PixelDecoders(1, SIDE) as decoders:
        decoded = decoders.decoded(BATCHES)
        next(decoded)
        os.kill(decoders.pids[0], signal.SIGKILL)
        with pytest.raises(DecoderError, match="ended with -9; what was answered before is kept"):
            list(decoded)


def test_leaving_the_block_ends_the_processes() -> None:
    with PixelDecoders(2, SIDE) as decoders:
        next(decoders.decoded(BATCHES))
        pids = decoders.pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_processes_end_with_a_parent_that_is_killed() -> None:
    script = (
        "import sys, time\nfrom resources.pixel_decoders import PixelDecoders\n"
        f"decoders = PixelDecoders(2, {SIDE}).__enter__()\n"
        "print(*decoders.pids, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    deadline = time.monotonic() + 30
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{pids} go on without their parent"
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    """Whether a process goes on; one that waits to be buried does not."""
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" not in status.read_text()
    except OSError:
        return False
