"""Decoding processes: every picture gets an answer, whatever a picture does to the process that decodes it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from catalog.images import decoders as module
from catalog.images.decoders import Decoders
from catalog.images.decoding import decode
from catalog.images.picture import STATUSES, Picture, PictureRules, packed, unpacked
from catalog.images.statuses import Status
from tests.catalog.images.pictures import jpeg

RULES = PictureRules()
KILLER, SLEEPER, BABBLER = b"kill", b"sleep", b"babble"

# A worker as the real one, but for three pictures that stand for a bug of the decoder which a hostile one found.
WORKER = """
import os, signal, time
from catalog.images import decoding_worker as worker
real = worker.answer
def answer(data, rules):
    if data == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if data == b"sleep":
        time.sleep(60)
    return b"nonsense" if data == b"babble" else real(data, rules)
worker.answer = answer
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
    monkeypatch.setattr(module, "WORKER", "fragile_worker")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_picture_comes_back_as_decoding_it_here_would_give_it() -> None:
    pictures = [jpeg(seed=seed) for seed in range(20)] + [b"no picture", jpeg()[:200], jpeg(600, 500)]

    async def use(decoders: Decoders) -> None:
        assert await asyncio.gather(*map(decoders.decode, pictures)) == [decode(each, RULES) for each in pictures]

    run(use, num_processes=2)


def test_bytes_that_came_lately_are_not_decoded_again() -> None:
    async def use(decoders: Decoders) -> None:
        first, second = await asyncio.gather(decoders.decode(jpeg()), decoders.decode(jpeg()))
        assert first is second
        assert await decoders.decode(jpeg()) is first

    run(use)


def test_what_was_forgotten_is_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUM_REMEMBERED", 2)

    async def use(decoders: Decoders) -> None:
        first = await decoders.decode(jpeg(seed=1))
        for seed in (2, 3):
            await decoders.decode(jpeg(seed=seed))
        again = await decoders.decode(jpeg(seed=1))
        assert again == first
        assert again is not first

    run(use)


@pytest.mark.usefixtures("fragile")
@pytest.mark.parametrize("culprit", [KILLER, SLEEPER, BABBLER])
def test_a_picture_that_takes_its_decoder_along_is_corrupt_and_its_neighbours_are_not(culprit: bytes) -> None:
    pictures = [jpeg(seed=seed) for seed in range(6)]
    pictures.insert(3, culprit)

    async def use(decoders: Decoders) -> None:
        answers = await asyncio.gather(*map(decoders.decode, pictures))
        assert answers[3] is Status.CORRUPT
        assert all(isinstance(answer, Picture) for place, answer in enumerate(answers) if place != 3)

    run(use, timeout_s=0.2)


@pytest.mark.usefixtures("fragile")
def test_closing_does_not_wait_for_a_picture_that_never_ends() -> None:
    started = time.monotonic()

    async def use(decoders: Decoders) -> None:
        waiting = asyncio.create_task(decoders.decode(SLEEPER))
        await asyncio.sleep(0.5)
        waiting.cancel()

    run(use, timeout_s=60)
    assert time.monotonic() - started < 30


def test_a_decoder_that_cannot_start_fails_the_download_and_marks_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORKER", "catalog.images.no_such_worker")

    async def use(decoders: Decoders) -> None:
        with pytest.raises(OSError, match=r"no_such_worker` ended with 1; run it by hand"):
            await decoders.decode(jpeg())

    run(use)


def test_decoders_that_are_behind_say_so_until_they_have_caught_up() -> None:
    async def use(decoders: Decoders) -> None:
        waiting = [asyncio.create_task(decoders.decode(jpeg(seed=seed))) for seed in range(40)]
        await asyncio.sleep(0)
        assert not decoders.ready.is_set()
        await asyncio.gather(*waiting)
        assert decoders.ready.is_set()

    run(use)


def test_no_process_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, time\n"
        "from catalog.images.decoders import Decoders\n"
        "from catalog.images.picture import PictureRules\n"
        "async def main():\n"
        "    decoders = Decoders(PictureRules(), 1, 20.0)\n"
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
    deadline = time.monotonic() + 20
    while _is_running(pid):
        assert time.monotonic() < deadline, f"decoder {pid} is still there"
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    """Whether the process is there and no zombie that a slow init has yet to reap."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize("status", [status for status in STATUSES if status is not Status.OK])
def test_a_status_survives_packing(status: Status) -> None:
    assert unpacked(packed(status)) is status


def test_a_picture_survives_packing_and_nonsense_is_no_picture() -> None:
    picture = decode(jpeg(), RULES)
    assert unpacked(packed(picture)) == picture
    for nonsense in (b"", b"\0" * 5, b"\xff" * 60):
        with pytest.raises(ValueError, match="no packed picture"):
            unpacked(nonsense)
