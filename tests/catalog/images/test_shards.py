"""A delivery's download: every product one outcome, whatever happens, nothing asked twice without need."""

import pickle
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from upath import UPath

from catalog.images.fetch_settings import FetchSettings
from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.politeness import Politeness
from catalog.images.shard_files import IMAGES_SCHEMA
from catalog.images.shards import Progress, download_delivery
from catalog.images.statuses import Status
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.images.download_until_killed import SETTINGS, download
from tests.catalog.images.shop_deliveries import check_complete, good, picture, products, stored

FAULTS: dict[str, Fault] = {f"f{index}": fault for index, fault in enumerate(Fault)}
STATUS_OF = {
    Fault.INVALID_LINK: Status.GONE,  # asked of the shop all the same, it has no such page
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
    """A shop of any number of pictures: p0, p1, ... without faults, f0, f1, ... with one of each kind."""
    with Shop(picture, faults=FAULTS.get) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "store")


def files(folder: UPath) -> dict[str, tuple[int, bytes]]:
    """Every file below the folder: when it was written and what it holds."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in Path(folder.path).rglob("*.*")}


def test_every_fault_of_the_shop_ends_in_its_status(shop: Shop, folder: UPath) -> None:
    wanted = products(shop, *FAULTS, "p1", "p2")
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    by_id = dict(outcomes.select("product_id", "status").iter_rows())
    assert by_id == {f"partner:{name}": STATUS_OF[fault] for name, fault in FAULTS.items()} | {
        "partner:p1": "ok",
        "partner:p2": "ok",
    }
    assert stored(folder)["partner:p1"] == picture("p1")


def test_links_that_are_none_are_invalid_and_asked_of_nobody(folder: UPath) -> None:
    wanted = pl.DataFrame({"product_id": ["a", "b", "c"], "image_url": [None, "", "ftp://shop.example/a.jpg"]})
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    assert set(outcomes["status"]) == {"invalid_url"}
    assert outcomes["attempts"].sum() == 0
    assert not (folder / "images").exists()


def test_an_empty_delivery_has_no_outcomes(folder: UPath) -> None:
    empty = pl.DataFrame(schema={"product_id": pl.String, "image_url": pl.String})
    assert download(empty, folder).schema == OUTCOMES_SCHEMA


def test_shards_have_the_layout_that_readers_expect(shop: Shop, folder: UPath) -> None:
    outcomes = download(good(shop, 60), folder)
    names = ["shard-00000.parquet", "shard-00001.parquet", "shard-00002.parquet"]
    for table in ("images", "outcomes"):
        assert sorted(path.name for path in (folder / table).iterdir()) == names
    assert pq.read_schema(folder / "images" / names[0]).equals(IMAGES_SCHEMA)
    assert outcomes["shard"].to_list() == ["shard-00000"] * 25 + ["shard-00001"] * 25 + ["shard-00002"] * 10
    assert outcomes["fetched_at"].null_count() == 0
    assert (outcomes["duration_ms"] > 0).all()


def test_a_delivery_run_twice_downloads_nothing_new(shop: Shop, folder: UPath) -> None:
    wanted = pl.concat([good(shop, 60), products(shop, "f1", "f2", "f3", "f4", "f5", "f9")])
    first = download(wanted, folder)
    requests, before = shop.requests.copy(), files(folder)
    second = download(wanted, folder)
    assert second.equals(first)
    assert shop.requests == requests
    assert files(folder) == before


def test_only_what_may_end_differently_is_asked_for_again(shop: Shop, folder: UPath) -> None:
    retried = {name for name, fault in FAULTS.items() if STATUS_OF[fault].retryable}
    wanted = products(shop, "p1", *FAULTS, "p2")
    download(wanted, folder)
    before = shop.requests.copy()
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    asked = {path for path, num in shop.requests.items() if num > before[path]}
    assert asked == {f"/p/{name}.jpg" for name in retried}


def test_a_fault_that_has_passed_is_made_good_beside_the_pictures_held(tmp_path: Path, folder: UPath) -> None:
    broken = {"p3": Fault.BROKEN, "p7": Fault.STALL}
    with Shop(picture, faults=broken.get) as shop:
        wanted = good(shop, 40)
        assert download(wanted, folder)["status"].value_counts().height == 3
        requests, second_shard = (
            shop.requests.copy(),
            files(folder)[str(folder / "images/shard-00001.parquet")],
        )
        broken.clear()
        outcomes = download(wanted, folder)
        check_complete(wanted, outcomes, folder)
        assert set(outcomes["status"]) == {"ok"}
        assert shop.requests - requests == {"/p/p3.jpg": 1, "/p/p7.jpg": 1}
        assert files(folder)[str(folder / "images/shard-00001.parquet")] == second_shard


def test_a_changed_link_is_downloaded_and_its_old_picture_dropped(shop: Shop, folder: UPath) -> None:
    download(good(shop, 10), folder)
    before = shop.requests.copy()
    changed = good(shop, 10).with_columns(image_url=pl.col("image_url").str.replace("p4.jpg", "p99.jpg", literal=True))
    outcomes = download(changed, folder)
    check_complete(changed, outcomes, folder)
    assert stored(folder)["partner:p4"] == picture("p99")
    assert shop.requests - before == {"/p/p99.jpg": 1}


def test_shards_and_products_of_an_older_larger_version_go(shop: Shop, folder: UPath) -> None:
    download(good(shop, 90), folder)
    before = shop.requests.copy()
    smaller = good(shop, 40)
    outcomes = download(smaller, folder)
    check_complete(smaller, outcomes, folder)
    assert len(list((folder / "outcomes").iterdir())) == 2
    assert shop.requests == before


def test_a_lost_shard_of_pictures_is_downloaded_again(shop: Shop, folder: UPath) -> None:
    wanted = good(shop, 60)
    download(wanted, folder)
    (folder / "images" / "shard-00001.parquet").unlink()
    check_complete(wanted, download(wanted, folder), folder)
    assert shop.requests["/p/p0.jpg"] == 1
    assert shop.requests["/p/p30.jpg"] == 2


def test_a_picture_that_several_products_show_is_asked_for_once(shop: Shop, folder: UPath) -> None:
    wanted = good(shop, 4).with_columns(image_url=pl.lit(f"{shop.url}/p/p1.jpg"))
    outcomes = download(wanted, folder)
    check_complete(wanted, outcomes, folder)
    assert outcomes["sha256"].n_unique() == 1
    assert shop.requests.total() == 1


def test_a_product_listed_twice_is_refused_by_name(shop: Shop, folder: UPath) -> None:
    with pytest.raises(ValueError, match="product_id 'partner:p1' appears twice"):
        download(products(shop, "p1", "p2", "p1"), folder)


def test_progress_ends_at_the_whole_and_counts_what_was_held(shop: Shop, folder: UPath) -> None:
    wanted = pl.concat([good(shop, 30), products(shop, "f1", "f2")])
    for _ in range(2):
        seen: list[Progress] = []
        where = {"images": folder / "images", "outcomes": folder / "outcomes"}
        download_delivery(wanted, **where, settings=SETTINGS, on_progress=seen.append)
        assert seen[-1] == Progress(done=32, total=32, ok=30)
        assert all(one.done <= other.done for one, other in pairwise(seen))


def test_stalled_links_of_one_shard_do_not_hold_up_the_next(folder: UPath) -> None:
    stalls = {f"p{index}" for index in range(0, 100, 25)}  # one in each shard
    with Shop(picture, faults=lambda each: Fault.STALL if each in stalls else None) as shop:
        started = time.monotonic()
        outcomes = download(good(shop, 100), folder, replace(SETTINGS, idle_timeout_s=1.0))
        assert time.monotonic() - started < 3.5  # and not 4 x 1 s
        assert outcomes.filter(status="timeout").height == 4


def test_a_store_that_cannot_be_written_fails_the_delivery_with_its_own_error(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="store"):
        download(good(shop, 30), UPath(tmp_path / "store"))


def test_what_a_shard_s_time_does_not_suffice_for_is_a_timeout_and_asked_for_again(folder: UPath) -> None:
    slow = replace(SETTINGS, politeness=Politeness(rate_per_s=10.0), shard_timeout_s=0.55)
    with Shop(picture, faults={}.get) as shop:
        wanted = good(shop, 20)
        outcomes = download(wanted, folder, slow)
        check_complete(wanted, outcomes, folder)
        num_ok = outcomes.filter(status="ok").height
        assert 2 <= num_ok < 15
        assert outcomes.filter(status="timeout").height == 20 - num_ok
        assert set(download(wanted, folder)["status"]) == {"ok"}
        assert max(shop.requests.values()) <= 2


def test_the_settings_of_a_download_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(SETTINGS)) == SETTINGS  # noqa: S301 our own bytes
    assert isinstance(SETTINGS, FetchSettings)
