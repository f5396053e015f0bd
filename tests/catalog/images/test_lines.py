"""Links stand in line by host: a slow host keeps nobody else waiting, and a long line costs no task a link."""

import asyncio
from collections import defaultdict
from functools import partial

import pytest

from catalog.images import lines as module
from catalog.images.downloading import Ending, timed_out
from catalog.images.fetched import Validators
from catalog.images.lines import Lines, Waiting, host_of
from catalog.images.shard_plans import Link


class Counter:
    """Stands in for the downloader: counts who is served at once, and lets hosts be as slow as the test wants."""

    def __init__(self, delay_s: dict[str, float]) -> None:
        self.delay_s = delay_s
        self.ended: list[str] = []
        self.serving: dict[str, int] = defaultdict(int)
        self.most_serving: dict[str, int] = defaultdict(int)
        self.most_in_all = 0

    async def end(self, url: str, rank: int, known: Validators) -> Ending:
        host = host_of(url)
        self.serving[host] += 1
        self.most_serving[host] = max(self.most_serving[host], self.serving[host])
        self.most_in_all = max(self.most_in_all, sum(self.serving.values()))
        await asyncio.sleep(self.delay_s.get(host, 0))
        self.serving[host] -= 1
        self.ended.append(url)
        return timed_out()


def serve(counter: Counter, urls: list[str], per_host: int, unwanted: frozenset[str] = frozenset()) -> list[str]:
    told: list[str] = []

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            lines = Lines(group, counter, per_host)  # type: ignore[arg-type]
            for url in urls:
                is_wanted = partial(lambda each: each not in unwanted, url)
                lines.add(Waiting(Link(url, Validators(), ["p"]), 0, is_wanted, lambda each, _: told.append(str(each))))

    asyncio.run(run())
    return told


def test_every_link_ends_once_and_a_host_is_served_in_order() -> None:
    urls = [f"http://h{number % 3}/{number}" for number in range(60)]
    counter = Counter({})
    assert sorted(serve(counter, urls, per_host=1)) == sorted(urls)
    for host in ("h0", "h1", "h2"):
        assert [url for url in counter.ended if host_of(url) == host] == [url for url in urls if host_of(url) == host]


def test_no_more_than_so_many_of_a_host_are_served_at_once() -> None:
    counter = Counter({"a": 0.001})
    serve(counter, [f"http://a/{number}" for number in range(50)], per_host=4)
    assert counter.most_serving["a"] == 4


def test_a_slow_host_keeps_no_other_waiting() -> None:
    counter = Counter({"slow": 0.05})
    slow = [f"http://slow/{number}" for number in range(8)]
    fast = [f"http://fast/{number}" for number in range(200)]
    serve(counter, slow + fast, per_host=2)
    last_fast = max(counter.ended.index(url) for url in fast)
    assert last_fast < counter.ended.index(slow[-1])
    assert sum(url in slow for url in counter.ended[:last_fast]) <= 2


def test_more_hosts_than_may_be_served_at_once_are_all_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SERVING", 10)
    urls = [f"http://h{number % 40}/{number}" for number in range(200)]
    counter = Counter({"h1": 0.01})
    assert sorted(serve(counter, urls, per_host=3)) == sorted(urls)
    assert counter.most_in_all <= 10


def test_a_link_that_is_not_wanted_any_more_is_passed_over() -> None:
    urls = [f"http://a/{number}" for number in range(5)]
    counter = Counter({})
    assert serve(counter, urls, per_host=1, unwanted=frozenset(urls[2:])) == urls[:2]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Shop.Example/a.jpg", "shop.example"),
        ("HTTPS://shop.example:8443?x=1", "shop.example:8443"),
        ("  http://a.example#b", "a.example"),
        ("ftp://a.example/b", ""),
        ("n/a", ""),
        (None, ""),
    ],
)
def test_the_line_of_a_link(url: str | None, host: str) -> None:
    assert host_of(url) == host
