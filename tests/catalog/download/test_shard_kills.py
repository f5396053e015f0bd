"""A killed download: downloaded images are kept, and no link is fetched twice."""

import math
import signal
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from catalog.download.journals import Journal
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.download.download_until_killed import download, start_downloading
from tests.catalog.download.gate import Gate, opening, requests_when_quiet
from tests.catalog.download.shop_deliveries import check_complete, good, image
from tests.patience import until


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "store")


@pytest.mark.parametrize("num_finished", [1, 4, 9])
def test_killed_download_refetches_only_unfinished_shards(num_finished: int, tmp_path: Path, folder: UPath) -> None:
    gate = Gate(image, 25 * num_finished + 15)
    with Shop(gate, faults={"p3": Fault.GONE, "p40": Fault.TRUNCATED}.get) as shop, opening(gate):
        wanted = good(shop, 400)
        wanted.write_parquet(tmp_path / "products.parquet")
        killed = start_downloading(tmp_path / "products.parquet", Path(folder.path))
        until(lambda: len(finished(folder)) >= num_finished, "finished shards", poll_s=0.002)
        killed.kill(signal.SIGKILL)

        complete = finished(folder)
        assert num_finished <= len(complete) < 16
        finished_ids = pl.concat(pl.read_parquet(path) for path in complete)["product_id"]
        gate.let_through(math.inf)
        before = requests_when_quiet(shop)
        outcomes = download(wanted, folder)

        check_complete(wanted, outcomes, folder)
        assert dict(outcomes["status"].value_counts().iter_rows()) == {"ok": 398, "gone": 1, "corrupt": 1}
        for path, num in (shop.requests - before).items():
            assert num == 1
            assert f"partner:{path[3:-4]}" not in finished_ids


def test_journal_left_by_a_kill_after_its_shard_was_written_is_removed(folder: UPath) -> None:
    with Shop(image, faults={}.get) as shop:
        wanted = good(shop, 50)
        download(wanted, folder)
        journal = Path(folder.path) / "outcomes" / ".shard-00001.journal"
        journal.write_bytes(b"records of a shard that is finished")
        before = shop.requests.copy()
        download(wanted, folder)
        assert shop.requests == before
    assert not journal.exists()


def test_killed_download_refetches_no_journaled_image(tmp_path: Path, folder: UPath) -> None:
    gate = Gate(image, 60)
    with Shop(gate, faults={}.get) as shop, opening(gate):
        wanted = good(shop, 200)
        wanted.write_parquet(tmp_path / "products.parquet")
        killed = start_downloading(tmp_path / "products.parquet", Path(folder.path))
        until(lambda: len(finished(folder)) >= 2 and journaled_bytes(folder), "images in a journal", poll_s=0.002)
        killed.kill(signal.SIGKILL)
        gate.let_through(math.inf)
        journaled = {
            url
            for path in Path(folder.path).glob("outcomes/.shard-*.journal")
            for url in Journal(path).open()
            if url is not None
        }
        assert journaled
        before = requests_when_quiet(shop)
        outcomes = download(wanted, folder)
        check_complete(wanted, outcomes, folder)
        refetched = {f"{shop.url}{path}" for path in shop.requests - before}
        assert not journaled & refetched
        assert not list(Path(folder.path).glob("outcomes/.shard-*.journal"))


def finished(folder: UPath) -> list[Path]:
    return sorted(Path(folder.path).glob("outcomes/shard-*.parquet"))


def journaled_bytes(folder: UPath) -> int:
    """The size of all journals; one whose shard is finished meanwhile is removed and counts nothing."""
    num_bytes = 0
    for path in Path(folder.path).glob("outcomes/.shard-*.journal"):
        with suppress(FileNotFoundError):
            num_bytes += path.stat().st_size
    return num_bytes
