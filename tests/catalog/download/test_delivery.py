"""A delivery's download: one outcome per product, whatever happens, and no link fetched twice without need."""

import itertools
import pickle
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from upath import UPath

from catalog.download import delivery, partition_download
from catalog.download.delivery import Progress, download_delivery
from catalog.download.downloader import DownloadResult
from catalog.download.settings import FetchSettings
from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.shard_files import IMAGES_SCHEMA
from catalog.images.statuses import Status
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.download.download_until_killed import SETTINGS, download
from tests.catalog.download.raw_server import RawServer, Reply, response
from tests.catalog.download.shop_deliveries import check_complete, good, image, products, stored
from tests.catalog.images.sample_images import jpeg

FAULTS: dict[str, Fault] = {f"f{index}": fault for index, fault in enumerate(Fault)}
STATUS_OF = {
    Fault.INVALID_LINK: Status.GONE,  # the shop has no such page
    Fault.NOT_FOUND: Status.GONE,
    Fault.GONE: Status.GONE,
    Fault.HOME: Status.REDIRECTED_HOME,
    Fault.HTML: Status.NOT_AN_IMAGE,
    Fault.TRUNCATED: Status.CORRUPT,
    Fault.STALL: Status.TIMEOUT,
    Fault.REFUSED: Status.HOST_REFUSED,
    Fault.BROKEN: Status.HTTP_ERROR,
    Fault.BOMB: Status.TOO_LARGE,
    Fault.FLAKY: Status.OK,
    Fault.THROTTLED: Status.OK,
}


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop of any number of images: p0, p1, ... without faults, f0, f1, ... with one of each kind."""
    with Shop(image, faults=FAULTS.get) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "store")


def files(folder: UPath) -> dict[str, tuple[int, bytes]]:
    """Every file below the folder: when it was written and what it holds."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in Path(folder.path).rglob("*.*")}


def images_of_second_shard(folder: UPath) -> dict[str, tuple[int, bytes]]:
    return {name: content for name, content in files(folder).items() if "images/shard-00001-" in name}


def test_every_fault_of_the_shop_ends_in_its_status(shop: Shop, folder: UPath) -> None:
    wanted = products(shop, *FAULTS, "p1", "p2")
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    by_id = dict(outcomes.select("product_id", "status").iter_rows())
    assert by_id == {f"partner:{name}": STATUS_OF[fault] for name, fault in FAULTS.items()} | {
        "partner:p1": "ok",
        "partner:p2": "ok",
    }
    assert stored(folder)["partner:p1"] == image("p1")


def test_invalid_links_cause_no_request(folder: UPath) -> None:
    wanted = pl.DataFrame({"product_id": ["a", "b", "c"], "image_url": [None, "", "ftp://shop.example/a.jpg"]})
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    assert set(outcomes["status"]) == {"invalid_url"}
    assert outcomes["attempts"].sum() == 0
    assert not (folder / "images").exists()


def test_empty_delivery_has_no_outcomes(folder: UPath) -> None:
    empty = pl.DataFrame(schema={"product_id": pl.String, "image_url": pl.String})
    assert download(empty, folder).schema == OUTCOMES_SCHEMA


def test_shards_have_the_layout_that_readers_expect(shop: Shop, folder: UPath) -> None:
    outcomes = download(good(shop, 60), folder)
    shards = ["shard-00000", "shard-00001", "shard-00002"]
    assert sorted(path.stem for path in (folder / "outcomes").iterdir()) == shards
    images = sorted(path.stem for path in (folder / "images").iterdir())
    assert [re.fullmatch(r"(shard-\d{5})-[0-9a-f]{16}", name)[1] for name in images] == shards
    assert pq.read_schema(folder / "images" / f"{images[0]}.parquet").equals(IMAGES_SCHEMA)
    assert outcomes["shard"].to_list() == [images[0]] * 25 + [images[1]] * 25 + [images[2]] * 10
    assert outcomes["fetched_at"].null_count() == 0
    assert (outcomes["duration_ms"] > 0).all()


def test_delivery_run_twice_downloads_nothing_new(shop: Shop, folder: UPath) -> None:
    wanted = pl.concat([good(shop, 60), products(shop, "f1", "f2", "f3", "f4", "f5", "f9")])
    first = download(wanted, folder)
    requests, before = shop.requests.copy(), files(folder)
    second = download(wanted, folder)
    assert second.equals(first)
    assert shop.requests == requests
    assert files(folder) == before


def test_only_retryable_outcomes_are_fetched_again(shop: Shop, folder: UPath) -> None:
    retried = {name for name, fault in FAULTS.items() if STATUS_OF[fault].retryable}
    wanted = products(shop, "p1", *FAULTS, "p2")
    download(wanted, folder)
    before = shop.requests.copy()
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    refetched = {path for path, num in shop.requests.items() if num > before[path]}
    assert refetched == {f"/p/{name}.jpg" for name in retried}


def test_fault_that_has_passed_is_repaired_beside_existing_images(tmp_path: Path, folder: UPath) -> None:
    broken = {"p3": Fault.BROKEN, "p7": Fault.STALL}
    with Shop(image, faults=broken.get) as shop:
        wanted = good(shop, 40)
        assert download(wanted, folder)["status"].value_counts().height == 3
        requests, second_shard = shop.requests.copy(), images_of_second_shard(folder)
        broken.clear()
        outcomes = download(wanted, folder)
        check_complete(wanted, outcomes, folder)
        assert set(outcomes["status"]) == {"ok"}
        assert shop.requests - requests == {"/p/p3.jpg": 1, "/p/p7.jpg": 1}
        assert images_of_second_shard(folder) == second_shard


def test_changed_link_is_downloaded_and_its_old_image_dropped(shop: Shop, folder: UPath) -> None:
    download(good(shop, 10), folder)
    before = shop.requests.copy()
    changed = good(shop, 10).with_columns(image_url=pl.col("image_url").str.replace("p4.jpg", "p99.jpg", literal=True))
    outcomes = download(changed, folder)
    check_complete(changed, outcomes, folder)
    assert stored(folder)["partner:p4"] == image("p99")
    assert shop.requests - before == {"/p/p99.jpg": 1}


def test_shards_and_products_of_an_older_larger_version_are_removed(shop: Shop, folder: UPath) -> None:
    download(good(shop, 90), folder)
    before = shop.requests.copy()
    smaller = good(shop, 40)
    outcomes = download(smaller, folder)
    check_complete(smaller, outcomes, folder)
    assert len(list((folder / "outcomes").iterdir())) == 2
    assert shop.requests == before


def test_lost_shard_of_images_is_downloaded_again(shop: Shop, folder: UPath) -> None:
    wanted = good(shop, 60)
    download(wanted, folder)
    next(folder.glob("images/shard-00001-*.parquet")).unlink()
    check_complete(wanted, download(wanted, folder), folder)
    assert shop.requests["/p/p0.jpg"] == 1
    assert shop.requests["/p/p30.jpg"] == 2


def test_image_that_several_products_show_is_fetched_once(shop: Shop, folder: UPath) -> None:
    wanted = good(shop, 4).with_columns(image_url=pl.lit(f"{shop.url}/p/p1.jpg"))
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    assert outcomes["sha256"].n_unique() == 1
    assert shop.requests.total() == 1


def test_product_listed_twice_is_refused_by_name(shop: Shop, folder: UPath) -> None:
    with pytest.raises(ValueError, match="product_id 'partner:p1' appears twice"):
        download(products(shop, "p1", "p2", "p1"), folder)


def test_progress_ends_at_the_total_and_counts_existing_images(shop: Shop, folder: UPath) -> None:
    wanted = pl.concat([good(shop, 30), products(shop, "f1", "f2")])
    for _ in range(2):
        seen: list[Progress] = []
        where = {"images": folder / "images", "outcomes": folder / "outcomes"}
        download_delivery(wanted, **where, settings=SETTINGS, on_progress=seen.append)
        assert seen[-1] == Progress(done=32, total=32, ok=30)
        assert all(one.done <= other.done for one, other in pairwise(seen))


def test_images_fetched_while_the_caller_fails_are_kept(
    shop: Shop, folder: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_fetched = threading.Event()
    wanted = good(shop, 30)

    class Shard(partition_download._Shard):
        """Notes when all links of the delivery have ended."""

        num_ended = itertools.count(1)

        def end(self, url: str | None, result: DownloadResult) -> None:
            super().end(url, result)
            if next(self.num_ended) == len(wanted):
                all_fetched.set()

    def fail_once_all_are_fetched(progress: Progress) -> None:
        if progress.done:  # the first report comes before the first request
            assert progress.done < len(wanted)
            assert all_fetched.wait(60)
            raise ConnectionError("the database is gone")

    monkeypatch.setattr(partition_download, "_Shard", Shard)
    monkeypatch.setattr(delivery, "PROGRESS_INTERVAL_S", 0.0)
    where = {"images": folder / "images", "outcomes": folder / "outcomes"}
    with pytest.raises(ConnectionError, match="the database is gone"):
        download_delivery(wanted, **where, settings=SETTINGS, on_progress=fail_once_all_are_fetched)
    check_complete(wanted, download(wanted, folder), folder)
    assert shop.requests.total() == len(wanted)


def test_stalled_link_of_one_shard_delays_no_other_shard(folder: UPath) -> None:
    stalled = {f"/p/p{index}.jpg" for index in range(0, 100, 25)}  # one in each shard
    others_requested = threading.Event()

    def reply(path: str) -> Reply:
        if path in stalled:
            assert others_requested.wait(60)
        elif len(server.requests.keys() - stalled) == 96:
            others_requested.set()
        return [response("200 OK", jpeg(40, 30))]

    patient = replace(SETTINGS, idle_timeout_s=60.0, timeout_s=60.0)
    with RawServer(reply) as server:
        wanted = good(server, 100)
        assert set(download(wanted, folder, patient)["status"]) == {"ok"}


def test_store_that_cannot_be_written_fails_with_its_own_error(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="store"):
        download(good(shop, 30), UPath(tmp_path / "store"))


def test_links_that_timed_out_with_their_shard_are_fetched_again(
    folder: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shard(partition_download._Shard):
        """Expires after its tenth image."""

        num_ended = 0

        def end(self, url: str | None, result: DownloadResult) -> None:
            super().end(url, result)
            self.num_ended += 1
            if self.num_ended == 10:
                self._expire()

    with Shop(image, faults={}.get) as shop, monkeypatch.context() as patched:
        patched.setattr(partition_download, "_Shard", Shard)
        wanted = good(shop, 20)
        outcomes = download(wanted, folder)
        check_complete(wanted, outcomes, folder)
        assert dict(outcomes["status"].value_counts().iter_rows()) == {"ok": 10, "timeout": 10}
        patched.undo()
        assert set(download(wanted, folder)["status"]) == {"ok"}
        assert max(shop.requests.values()) <= 2


def test_settings_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(SETTINGS)) == SETTINGS  # noqa: S301 our own bytes
    assert isinstance(SETTINGS, FetchSettings)
