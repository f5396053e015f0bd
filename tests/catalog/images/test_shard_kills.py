"""A download that is killed: what it had got stands, and nothing is asked for twice."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from catalog.images.journals import Journal
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.images.download_until_killed import download
from tests.catalog.images.shop_deliveries import check_complete, good, picture

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "store")


@pytest.mark.parametrize("num_finished", [1, 4, 9])
def test_a_kill_in_mid_download_costs_only_unfinished_shards(num_finished: int, tmp_path: Path, folder: UPath) -> None:
    wait_s = {"now": 0.006}

    def slowly(picture_id: str) -> bytes:
        time.sleep(wait_s["now"])
        return picture(picture_id)

    with Shop(slowly, faults={"p3": Fault.GONE, "p40": Fault.TRUNCATED}.get) as shop:
        wanted = good(shop, 400)
        wanted.write_parquet(tmp_path / "products.parquet")
        killed = start_downloading(tmp_path / "products.parquet", folder)
        wait_until(lambda: len(finished(folder)) >= num_finished)
        killed.send_signal(signal.SIGKILL)
        killed.wait()

        held = finished(folder)
        assert num_finished <= len(held) < 16
        held_ids = pl.concat(pl.read_parquet(path) for path in held)["product_id"]
        before, wait_s["now"] = requests_when_quiet(shop), 0.0
        outcomes = download(wanted, folder)

        check_complete(wanted, outcomes, folder)
        assert dict(outcomes["status"].value_counts().iter_rows()) == {"ok": 398, "gone": 1, "corrupt": 1}
        for path, num in (shop.requests - before).items():
            assert num == 1
            assert f"partner:{path[3:-4]}" not in held_ids


def test_a_kill_between_a_shards_last_file_and_its_journal_leaves_nothing_behind(folder: UPath) -> None:
    with Shop(picture, faults={}.get) as shop:
        wanted = good(shop, 50)
        download(wanted, folder)
        left = Path(folder.path) / "outcomes" / ".shard-00001.journal"
        left.write_bytes(b"records of a shard that is finished")
        before = shop.requests.copy()
        download(wanted, folder)
        assert shop.requests == before
    assert not left.exists()


def test_a_kill_costs_no_picture_that_had_come(tmp_path: Path, folder: UPath) -> None:
    def slowly(picture_id: str) -> bytes:
        time.sleep(0.006)
        return picture(picture_id)

    with Shop(slowly, faults={}.get) as shop:
        wanted = good(shop, 200)
        wanted.write_parquet(tmp_path / "products.parquet")
        killed = start_downloading(tmp_path / "products.parquet", folder)
        wait_until(lambda: len(finished(folder)) >= 2)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        noted = {
            url
            for path in Path(folder.path).glob("outcomes/.shard-*.journal")
            for url in Journal(path).open()
            if url is not None
        }
        assert noted
        before = requests_when_quiet(shop)
        outcomes = download(wanted, folder)
        check_complete(wanted, outcomes, folder)
        asked_again = {f"{shop.url}{path}" for path in shop.requests - before}
        assert not noted & asked_again
        assert not list(Path(folder.path).glob("outcomes/.shard-*.journal"))


def start_downloading(table: Path, folder: UPath) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.catalog.images.download_until_killed", str(table), str(folder)]
    return subprocess.Popen(command, cwd=REPOSITORY)


def requests_when_quiet(shop: Shop) -> Counter[str]:
    """The requests so far, once those that the killed client left behind have been answered into the void."""
    while True:
        before = shop.requests.copy()
        time.sleep(0.1)
        if shop.requests == before:
            return before


def finished(folder: UPath) -> list[Path]:
    return sorted(Path(folder.path).glob("outcomes/shard-*.parquet"))


def wait_until(is_true: Callable[[], bool], timeout_s: float = 30) -> None:
    started = time.monotonic()
    while not is_true():
        assert time.monotonic() - started < timeout_s
        time.sleep(0.002)
