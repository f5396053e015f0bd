"""Links are queued by host: a slow host delays no other, and a long queue costs no task per link."""

import asyncio
from functools import partial

import pytest

from catalog.download import host_queues as module
from catalog.download.fetched import Validators
from catalog.download.host_queues import HostQueues, QueuedLink, queue_of
from catalog.download.shard_plans import Link
from tests.catalog.download.fake_downloader import FakeDownloader
from tests.catalog.download.virtual_time import run


def serve(
    downloader: FakeDownloader, urls: list[str], per_host: int, unwanted: frozenset[str] = frozenset()
) -> list[str]:
    ended: list[str] = []

    async def serve_all() -> None:
        async with asyncio.TaskGroup() as group:
            queues = HostQueues(group, downloader, per_host)  # type: ignore[arg-type]
            for url in urls:
                is_wanted = partial(lambda link: link not in unwanted, url)
                link = Link(url, Validators(), ["p"])
                queues.add(QueuedLink(link, 0, is_wanted, lambda url, _: ended.append(str(url))))

    run(serve_all())
    return ended


def test_every_link_ends_once_and_a_host_is_served_in_order() -> None:
    urls = [f"http://h{number % 3}/{number}" for number in range(60)]
    downloader = FakeDownloader({})
    assert sorted(serve(downloader, urls, per_host=1)) == sorted(urls)
    for host in ("h0", "h1", "h2"):
        ended = [url for url in downloader.ended if queue_of(url) == host]
        assert ended == [url for url in urls if queue_of(url) == host]


def test_no_more_links_of_a_host_than_allowed_are_served_at_once() -> None:
    downloader = FakeDownloader({"a": 1})
    serve(downloader, [f"http://a/{number}" for number in range(50)], per_host=4)
    assert downloader.most_serving["a"] == 4


def test_slow_host_delays_no_other() -> None:
    downloader = FakeDownloader({"slow": 50, "fast": 0.1})
    slow = [f"http://slow/{number}" for number in range(8)]
    fast = [f"http://fast/{number}" for number in range(200)]
    serve(downloader, slow + fast, per_host=2)
    assert downloader.ended == fast + slow


def test_more_hosts_than_may_be_served_at_once_are_all_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SERVING", 10)
    urls = [f"http://h{number % 40}/{number}" for number in range(200)]
    downloader = FakeDownloader({"h1": 10})
    assert sorted(serve(downloader, urls, per_host=3)) == sorted(urls)
    assert downloader.most_in_all <= 10


def test_link_that_is_no_longer_wanted_is_skipped() -> None:
    urls = [f"http://a/{number}" for number in range(5)]
    downloader = FakeDownloader({})
    assert serve(downloader, urls, per_host=1, unwanted=frozenset(urls[2:])) == urls[:2]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Shop.Example/a.jpg", "shop.example"),
        ("HTTPS://shop.example:8443?x=1", "shop.example:8443"),
        ("  http://a.example#b", "a.example"),
        ("s3://Bucket/photos/b", "s3://bucket"),
        ("photos:shirts/1.jpg", "photos:"),
        ("n/a", ""),
        (None, ""),
    ],
)
def test_queue_of_a_link_is_its_host(url: str | None, host: str) -> None:
    assert queue_of(url) == host
