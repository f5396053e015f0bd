"""A host partition: each link gets its result, streamed, in flat memory; any engine runs the same function."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from catalog.download import bounded_stream
from catalog.download import partition_download as module
from catalog.download.bounded_stream import BoundedStream
from catalog.download.downloader import DownloadResult, LinkResult
from catalog.download.fetched import Validators
from catalog.download.host_limiter import Politeness
from catalog.download.partition_download import download_links
from catalog.download.shard_plans import Link
from catalog.images.statuses import Status
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.download.download_until_killed import SETTINGS
from tests.catalog.download.fake_downloader import FakeDownloader
from tests.catalog.download.virtual_time import VirtualTimeLoop
from tests.catalog.images.sample_images import jpeg

FAULTS: dict[str, Fault] = {f"f{index}": fault for index, fault in enumerate(Fault)}


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(lambda image_id: jpeg(40, 30, seed=int(image_id[1:])), faults=FAULTS.get) as opened:
        yield opened


def links(url: str, *image_ids: str) -> list[Link]:
    return [Link(f"{url}/p/{image_id}.jpg", Validators(), []) for image_id in image_ids]


def numbered(url: str, num_links: int) -> list[Link]:
    return links(url, *(f"p{index}" for index in range(num_links)))


def results(batches: Iterator[list[LinkResult]]) -> dict[tuple[int, str | None], DownloadResult]:
    """By shard and link; each comes once."""
    found: dict[tuple[int, str | None], DownloadResult] = {}
    for batch in batches:
        for shard, url, result in batch:
            assert (shard, url) not in found
            found[shard, url] = result
    return found


def test_each_link_of_each_shard_gets_its_image_or_its_status_once(shop: Shop) -> None:
    wanted = {
        0: links(shop.url, "p1", "p2", "f1", "p1"),
        1: links(shop.url, "p2", "f5"),
        2: [Link(None, Validators(), [])],
    }
    found = results(download_links(wanted, SETTINGS))
    assert {(shard, url and url[-6:-4]): result.status for (shard, url), result in found.items()} == {
        (0, "p1"): Status.OK,
        (0, "p2"): Status.OK,
        (0, "f1"): Status.GONE,
        (1, "p2"): Status.OK,
        (1, "f5"): Status.CORRUPT,
        (2, None): Status.INVALID_URL,
    }
    for (_, url), result in found.items():
        if result.image:
            assert result.image.data == jpeg(40, 30, seed=int(str(url)[-5]))
    assert shop.requests["/p/p1.jpg"] == 1


def test_no_links_are_no_work() -> None:
    assert list(download_links({}, SETTINGS)) == []
    assert list(download_links({0: []}, SETTINGS)) == []


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_stream.asyncio, "new_event_loop", VirtualTimeLoop)


@pytest.mark.usefixtures("virtual_time")
def test_links_left_when_the_shard_s_time_is_up_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    downloader = FakeDownloader({"a": 100.0})
    monkeypatch.setattr(module, "Downloader", lambda settings, room: downloader)
    settings = replace(SETTINGS, politeness=Politeness(max_connections=1), shard_timeout_s=550.0)
    found = results(download_links({0: numbered("http://a", 20), 1: numbered("http://b", 20)}, settings))
    statuses = {host: [found[key].status for key in found if f"//{host}/" in str(key[1])] for host in "ab"}
    assert statuses["a"] == [Status.GONE] * 10 + [Status.TIMEOUT] * 10  # two at once, 100 s each
    assert statuses["b"] == [Status.GONE] * 20
    assert len(downloader.ended) == 20 + 12  # those under way end unseen, the others never start


@pytest.mark.usefixtures("virtual_time")
def test_shard_begun_first_is_finished_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Downloader", lambda settings, room: FakeDownloader({"a": 1.0}))
    settings = replace(SETTINGS, politeness=Politeness(max_connections=1))
    order = results(download_links({index: numbered("http://a", 5) for index in (2, 0, 1)}, settings))
    assert [shard for shard, _ in order] == [0] * 5 + [1] * 5 + [2] * 5


def test_no_request_starts_while_the_consumer_takes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 10_000)
    monkeypatch.setattr(module, "MAX_BATCH_LINKS", 1)
    settings = replace(SETTINGS, max_connections=4)
    batches = download_links({0: numbered(shop.url, 300)}, settings)
    next(batches)
    num_requests = -1
    while num_requests < (num_requests := shop.requests.total()):
        time.sleep(0.2)
    assert num_requests < 60  # some 10 images wait, some are on their way
    assert len(results(batches)) == 299


def test_closing_the_stream_ends_the_download(shop: Shop) -> None:
    slow = replace(SETTINGS, politeness=Politeness(rate_per_s=0.01))
    batches = download_links({0: numbered(shop.url, 100)}, slow)
    next(batches)
    batches.close()  # would take hours, if it waited for the links
    assert shop.requests.total() == 1


def test_error_reaches_the_consumer_after_the_items_before_it() -> None:
    async def produce(stream: BoundedStream[int]) -> None:
        for number in range(5):
            stream.put(number)
        raise OSError("no process can be started")

    batches = BoundedStream[int](lambda number: 1, max_bytes=100, max_items=2).batches(produce)
    taken = []
    with pytest.raises(OSError, match="no process"):
        for batch in batches:
            taken += batch
    assert taken == [0, 1, 2, 3, 4]


def test_room_is_cleared_while_too_much_waits_and_set_again() -> None:
    async def produce(stream: BoundedStream[int]) -> None:
        for number in range(20):
            await stream.room.wait()
            stream.put(number)
            assert stream.room.is_set() == (stream._num_bytes < 3)
            await asyncio.sleep(0)

    stream = BoundedStream[int](lambda number: 1, max_bytes=3, max_items=1)
    assert [number for batch in stream.batches(produce) for number in batch] == list(range(20))
