"""What one task of a cluster does: each of its links to its end, streamed, in flat memory, within its share."""

import time
from collections.abc import Iterator
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pytest

import catalog.images.lane_download as module
from catalog.images.downloading import Ending
from catalog.images.lane_download import ENDINGS_SCHEMA, LINKS_SCHEMA, download_lanes, download_links
from catalog.images.lanes import plan_lanes
from catalog.images.outbox import Outbox
from catalog.images.politeness import Politeness
from catalog.images.records import ending_of
from catalog.images.statuses import Status
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.images.download_until_killed import SETTINGS
from tests.catalog.images.pictures import jpeg

FAULTS: dict[str, Fault] = {f"f{index}": fault for index, fault in enumerate(Fault)}


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(lambda picture_id: jpeg(40, 30, seed=int(picture_id[1:])), faults=FAULTS.get) as opened:
        yield opened


def links(shop: Shop, *picture_ids: str, shard: int = 0, task: int = 0) -> pa.RecordBatch:
    rows = [{"shard": shard, "image_url": f"{shop.url}/p/{each}.jpg", "task": task} for each in picture_ids]
    return pa.RecordBatch.from_pylist(rows, schema=LINKS_SCHEMA)


def endings(batches: Iterator[pa.RecordBatch]) -> dict[tuple[int, str | None], Ending]:
    """By shard and link; each comes once."""
    found: dict[tuple[int, str | None], Ending] = {}
    for batch in batches:
        assert batch.schema.equals(ENDINGS_SCHEMA)
        for row in batch.to_pylist():
            url, ending = ending_of(row["record"], row["picture"] or b"")
            assert (row["shard"], url) not in found
            found[row["shard"], url] = ending
    return found


def test_each_link_of_each_shard_ends_once_with_its_picture_or_its_status(shop: Shop) -> None:
    nowhere = pa.RecordBatch.from_pylist([{"shard": 2, "image_url": None, "task": 0}], schema=LINKS_SCHEMA)
    wanted = [links(shop, "p1", "p2", "f1", "p1"), links(shop, "p2", "f5", shard=1), nowhere]
    found = endings(download_links(wanted, SETTINGS))
    told = {(shard, url and url[-6:-4]): ending.status for (shard, url), ending in found.items()}
    assert told == {
        (0, "p1"): Status.OK,
        (0, "p2"): Status.OK,
        (0, "f1"): Status.GONE,
        (1, "p2"): Status.OK,
        (1, "f5"): Status.CORRUPT,
        (2, None): Status.INVALID_URL,
    }
    for (_, url), ending in found.items():
        if ending.picture:
            assert ending.picture.data == jpeg(40, 30, seed=int(str(url)[-5]))
    assert shop.requests["/p/p1.jpg"] == 1


def test_links_of_two_tasks_are_refused_and_no_links_are_no_work(shop: Shop) -> None:
    _, lanes = plan_lanes(pl.Series([shop.url]), SETTINGS, 2)
    with pytest.raises(ValueError, match=r"links of tasks \[0, 1\]"):
        list(download_lanes([links(shop, "p1"), links(shop, "p2", task=1)], lanes, SETTINGS))
    assert list(download_lanes([], lanes, SETTINGS)) == []


def test_a_task_keeps_to_its_share_of_a_host(shop: Shop) -> None:
    settings = replace(SETTINGS, politeness=Politeness(max_connections=8, rate_per_s=40.0))
    picture_ids = [f"p{index}" for index in range(200)]
    urls = pl.Series([f"{shop.url}/p/{each}.jpg" for each in picture_ids])
    task_of, lanes = plan_lanes(urls, settings, 2)
    first = [each for each, task in zip(picture_ids, task_of, strict=True) if task == 0][:20]
    started = time.monotonic()
    found = endings(download_lanes([links(shop, *first)], lanes, settings))
    assert len(found) == 20
    assert time.monotonic() - started > 19 / 20.0  # half of 40 a second


def test_what_a_shard_s_time_does_not_suffice_for_times_out(shop: Shop) -> None:
    slow = replace(SETTINGS, politeness=Politeness(rate_per_s=10.0), shard_timeout_s=0.55)
    found = endings(download_links([links(shop, *(f"p{index}" for index in range(20)))], slow))
    statuses = [ending.status for ending in found.values()]
    assert len(statuses) == 20
    assert 2 <= statuses.count(Status.OK) < 15
    assert statuses.count(Status.TIMEOUT) == 20 - statuses.count(Status.OK)


def test_a_consumer_that_takes_nothing_stops_the_asking(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 10_000)
    monkeypatch.setattr(module, "MAX_BATCH_ROWS", 1)
    settings = replace(SETTINGS, max_connections=4)
    batches = download_links([links(shop, *(f"p{index}" for index in range(300)))], settings)
    next(batches)
    num_requests = -1
    while num_requests < (num_requests := shop.requests.total()):
        time.sleep(0.2)
    assert num_requests < 60  # some 10 pictures wait, some are on their way
    assert len(endings(batches)) == 299


def test_a_consumer_that_goes_away_ends_the_download(shop: Shop) -> None:
    slow = replace(SETTINGS, politeness=Politeness(rate_per_s=20.0))
    batches = download_links([links(shop, *(f"p{index}" for index in range(100)))], slow)
    next(batches)
    started = time.monotonic()
    batches.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 2.0
    num_requests = shop.requests.total()
    time.sleep(0.2)
    assert shop.requests.total() == num_requests


def test_an_error_reaches_the_consumer_after_what_came_before_it() -> None:
    async def fill(outbox: Outbox[int]) -> None:
        for number in range(5):
            outbox.put(number)
        raise OSError("no process can be started")

    batches = Outbox[int](lambda number: 1, max_bytes=100, max_items=2).batches(fill)
    taken = []
    with pytest.raises(OSError, match="no process"):
        for batch in batches:
            taken += batch
    assert taken == [0, 1, 2, 3, 4]
