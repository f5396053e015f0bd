"""Decoding processes: every image gets a result, whatever an image does to the process that decodes it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from catalog.images import decoder_process
from catalog.images import decoders as module
from catalog.images.decoders import Decoders
from catalog.images.decoding import decode
from catalog.images.statuses import Status
from catalog.images.stored_image import STATUSES, ImageRules, StoredImage, packed, unpacked
from tests.catalog.images.sample_images import jpeg
from tests.patience import PATIENCE_S, until

RULES = ImageRules()
SEGFAULT, SPINNER, BABBLER, SLEEPER = b"crash", b"spin", b"babble", b"sleep"

# The real worker, except for images that stand for bugs of the decoder which a hostile image exploits.
WORKER = """
import os, pathlib, signal, time
from catalog.images import decoding_worker as worker
real = worker.decode_packed
def decode_packed(data, rules):
    if data == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    while data == b"spin":
        pass
    if data == b"sleep":
        pathlib.Path(__file__).with_name("asleep").touch()
        time.sleep(3600)
    return b"nonsense" if data == b"babble" else real(data, rules)
worker.decode_packed = decode_packed
worker.main()
"""


def run(use: Callable[[Decoders], Awaitable[None]], timeout_s: float = 20.0, num_processes: int = 1) -> None:
    async def main() -> None:
        decoders = Decoders(RULES, num_processes, timeout_s)
        try:
            await use(decoders)
        finally:
            decoders.close()

    asyncio.run(main())


@pytest.fixture
def fragile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fragile_worker.py").write_text(WORKER)
    monkeypatch.setattr(decoder_process, "WORKER", "fragile_worker")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_images_are_decoded_as_in_this_process() -> None:
    images = [jpeg(seed=seed) for seed in range(20)] + [b"no image", jpeg()[:200], jpeg(600, 500)]

    async def use(decoders: Decoders) -> None:
        assert await asyncio.gather(*map(decoders.decode, images)) == [decode(each, RULES) for each in images]

    run(use, num_processes=2)


def test_recently_decoded_bytes_are_not_decoded_again() -> None:
    async def use(decoders: Decoders) -> None:
        first, second = await asyncio.gather(decoders.decode(jpeg()), decoders.decode(jpeg()))
        assert first is second
        assert await decoders.decode(jpeg()) is first

    run(use)


def test_bytes_dropped_from_the_cache_are_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUM_CACHED", 2)

    async def use(decoders: Decoders) -> None:
        first = await decoders.decode(jpeg(seed=1))
        for seed in (2, 3):
            await decoders.decode(jpeg(seed=seed))
        again = await decoders.decode(jpeg(seed=1))
        assert again == first
        assert again is not first

    run(use)


@pytest.mark.usefixtures("fragile")
@pytest.mark.parametrize("culprit", [SEGFAULT, SPINNER, BABBLER])
def test_image_that_kills_its_decoder_is_corrupt_and_its_neighbors_are_not(culprit: bytes) -> None:
    images = [jpeg(seed=seed) for seed in range(6)]
    images.insert(3, culprit)

    async def use(decoders: Decoders) -> None:
        results = await asyncio.gather(*map(decoders.decode, images))
        assert results[3] is Status.CORRUPT
        assert all(isinstance(result, StoredImage) for index, result in enumerate(results) if index != 3)

    run(use, timeout_s=0.4)


@pytest.mark.usefixtures("fragile")
def test_closing_does_not_wait_for_an_image_that_never_ends(tmp_path: Path) -> None:
    async def use(decoders: Decoders) -> None:
        waiting = asyncio.create_task(decoders.decode(SLEEPER))
        while not (tmp_path / "asleep").exists():
            await asyncio.sleep(0.01)
        waiting.cancel()

    run(use, timeout_s=PATIENCE_S)  # or the test runs into its own limit


def test_decoder_that_cannot_start_raises_and_marks_no_image_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "WORKER", "catalog.images.no_such_worker")

    async def use(decoders: Decoders) -> None:
        with pytest.raises(OSError, match=r"no_such_worker` ended with exit code 1; run it by hand"):
            await decoders.decode(jpeg())

    run(use)


def test_ready_is_cleared_while_too_many_images_wait() -> None:
    async def use(decoders: Decoders) -> None:
        waiting = [asyncio.create_task(decoders.decode(jpeg(seed=seed))) for seed in range(40)]
        await asyncio.sleep(0)
        assert not decoders.ready.is_set()
        await asyncio.gather(*waiting)
        assert decoders.ready.is_set()

    run(use)


def test_no_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import asyncio, time\n"
        "from catalog.images.decoders import Decoders\n"
        "from catalog.images.stored_image import ImageRules\n"
        "async def main():\n"
        "    decoders = Decoders(ImageRules(), 1, 20.0)\n"
        "    await decoders.decode(b'x')\n"
        "    print(decoders._processes[0]._running[0].pid, flush=True)\n"
        "    time.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: not _is_running(pid), f"the end of decoder {pid}")


def _is_running(pid: int) -> bool:
    """Returns True if the process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize("status", [status for status in STATUSES if status is not Status.OK])
def test_status_survives_packing(status: Status) -> None:
    assert unpacked(packed(status)) is status


def test_image_survives_packing_and_other_bytes_are_refused() -> None:
    image = decode(jpeg(), RULES)
    assert unpacked(packed(image)) == image
    for nonsense in (b"", b"\0" * 5, b"\xff" * 60):
        with pytest.raises(ValueError, match="no packed image"):
            unpacked(nonsense)
