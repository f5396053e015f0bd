"""Locks: the error of a second process names the first, and a process that is gone blocks nobody."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from upath import UPath

from catalog.download.delivery import Progress, download_delivery
from catalog.storage.locks import LockedError, locked, waiting_lock
from demo.shop import Shop
from tests.build_cache import REPOSITORY
from tests.catalog.download.download_until_killed import SETTINGS, download
from tests.catalog.download.shop_deliveries import check_complete, good, image

HOLDING = (
    "import sys; from pathlib import Path; from catalog.storage.locks import locked\n"
    "with locked(Path(sys.argv[1]), 'it'): print('locked', flush=True); sys.stdin.read()"
)


@contextmanager
def held_elsewhere(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that holds a lock until its input is closed or it is killed."""
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield process
        process.kill()


def test_the_error_of_a_second_process_names_the_first_its_work_and_its_start(tmp_path: Path) -> None:
    path = tmp_path / "new" / ".lock"
    with (
        held_elsewhere(path) as holder,
        pytest.raises(LockedError) as raised,
        locked(path, "the download of delivery=a.b"),
    ):
        pass
    assert "the download of delivery=a.b is already under way" in str(raised.value)
    assert f"process {holder.pid} on {os.uname().nodename}, since 20" in str(raised.value)
    assert f"holds {str(path)!r}; wait for its end, or stop it" in str(raised.value)


def test_a_killed_holder_keeps_nobody_off(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with held_elsewhere(path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert path.exists()
        with locked(path, "it"):
            assert f"process {os.getpid()} " in path.read_text()
    assert not path.exists()


def test_a_failing_block_frees_its_lock(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with pytest.raises(KeyError), locked(path, "it"):
        raise KeyError
    with locked(path, "it"):
        assert path.exists()


def test_threads_take_turns_and_none_enters_while_the_file_goes(tmp_path: Path) -> None:
    path, inside, most = tmp_path / ".lock", [0], [0]

    def work() -> None:
        for _ in range(50):
            with waiting_lock(path):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside, path.exists()) == ([1], [0], False)


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_the_second_download_of_a_delivery_is_refused_and_the_first_ends_whole(kind: str, tmp_path: Path) -> None:
    store = UPath(tmp_path / "store") if kind == "local" else UPath(f"memory://{tmp_path.name}-{os.getpid()}")
    with Shop(image, faults={}.get) as shop:
        wanted = good(shop, 30)
        refusals: list[str] = []

        def second(progress: Progress) -> None:
            """Called by the first download, at its end at the latest."""
            with pytest.raises(LockedError) as raised:
                download(wanted, store)
            refusals.append(str(raised.value))

        where = {"images": store / "images", "outcomes": store / "outcomes"}
        outcomes = download_delivery(wanted, **where, settings=SETTINGS, on_progress=second)
        assert all(f"process {os.getpid()} " in refusal for refusal in refusals)
        assert all("the download of outcomes is already under way" in refusal for refusal in refusals)
        assert refusals
        if kind == "local":
            check_complete(wanted, outcomes, store)
            assert sorted(path.name for path in Path(store.path).iterdir()) == ["images", "outcomes"]
        assert set(download(wanted, store)["status"]) == {"ok"}  # it is free again


def test_another_delivery_is_not_kept_off(tmp_path: Path) -> None:
    store = UPath(tmp_path)
    with Shop(image, faults={}.get) as shop:
        wanted = good(shop, 3)

        def other(progress: Progress) -> None:
            assert set(download(wanted, store / "other")["status"]) == {"ok"}

        where = {"images": store / "images", "outcomes": store / "outcomes"}
        download_delivery(wanted, **where, settings=SETTINGS, on_progress=other)
