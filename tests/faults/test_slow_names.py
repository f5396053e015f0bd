"""Names whose lookup is slow, fails or hangs delay and fail only the links to them."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from catalog.download.fetched import Fetched
from catalog.download.fetching import Fetcher
from catalog.download.host_limiter import Politeness
from catalog.download.name_cache import MISSING_S, NameCache, is_name
from catalog.images.statuses import Status
from catalog.network.lookup_threads import LookupThreads
from tests.catalog.download.raw_server import RawServer
from tests.catalog.download.test_fetching import FOUND, serving, settings
from tests.catalog.download.virtual_time import run


class Names:
    """The system's lookup for tests: `slow` names hang until `release`, missing ones are missing, others are here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lookups: Counter[str] = Counter()
        self.num_hanging = self.most_hanging = 0
        self._released = threading.Event()
        self._lock = threading.Lock()
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: str, port: object, *_: object, **__: object) -> list[tuple[Any, ...]]:
        with self._lock:
            self.lookups[host] += 1
        if host.startswith("missing"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host.startswith("flaky") and self.lookups[host] == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if host.startswith("slow"):
            with self._lock:
                self.num_hanging += 1
                self.most_hanging = max(self.most_hanging, self.num_hanging)
            self._released.wait(60)
            with self._lock:
                self.num_hanging -= 1
            if "fails" in host:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port or 0))]

    def release(self) -> None:
        self._released.set()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    found = Names(monkeypatch)
    yield found
    found.release()


def fetch_while_slow(names: Names, num_slow: int, num_healthy: int, **changes: object) -> list[Fetched]:
    """The results of links to healthy names, fetched while links to slow ones hang; all of them are given up then."""

    async def main(port: int) -> list[Fetched]:
        async with Fetcher(settings(**changes)) as fetcher:
            slow = [
                asyncio.create_task(fetcher.fetch(f"http://slow{index}.test:{port}/a.jpg")) for index in range(num_slow)
            ]
            while len(names.lookups) < min(num_slow, 4):  # they hang before the healthy ones begin
                await asyncio.sleep(0.001)
            healthy = await asyncio.gather(
                *(fetcher.fetch(f"http://healthy{index}.test:{port}/a.jpg") for index in range(num_healthy))
            )
            assert not any(task.done() for task in slow)
            for task in slow:
                task.cancel()
        return list(healthy)

    with RawServer(serving(FOUND)) as server:
        return asyncio.run(main(server.port))


@pytest.mark.parametrize("num_slow", [1, 6, 40, 200])
def test_healthy_hosts_arrive_while_the_names_of_others_hang(names: Names, num_slow: int) -> None:
    fetched = fetch_while_slow(names, num_slow, 40)
    assert {each.status for each in fetched} == {Status.OK}
    assert {each.attempts for each in fetched} == {1}


def test_slow_names_take_no_connection(names: Names) -> None:
    assert {each.status for each in fetch_while_slow(names, 8, 4, max_connections=1)} == {Status.OK}


def test_fetcher_closes_while_lookups_hang(names: Names) -> None:
    fetch_while_slow(names, 20, 1)
    assert names.num_hanging == 20, "their threads end by themselves"


def fetch_all(urls: Sequence[str], resolver: AbstractResolver | None = None, **changes: object) -> list[Fetched]:
    async def main() -> list[Fetched]:
        async with Fetcher(settings(**changes), resolver=resolver) as fetcher:
            return list(await asyncio.gather(*map(fetcher.fetch, urls)))

    return asyncio.run(main())


def test_waiting_for_a_lookup_takes_none_of_an_image_s_time(names: Names) -> None:
    started_s = time.monotonic()
    threading.Timer(0.5, names.release).start()
    with RawServer(serving(FOUND)) as server:
        fetched = fetch_all([f"http://slow{index}.test:{server.port}/a.jpg" for index in range(12)])
    assert {each.status for each in fetched} == {Status.OK}
    assert max(each.duration_ms for each in fetched) <= 1000 * (time.monotonic() - started_s - 0.5)


def test_queueing_for_the_lookup_takes_none_of_an_image_s_time(names: Names) -> None:
    """Two lookups run at once, and the others wait for them."""
    started_s = time.monotonic()

    async def main(port: int) -> list[Fetched]:
        async with Fetcher(settings(), resolver=LookupThreads(2, timeout_s=30.0)) as fetcher:
            threading.Timer(0.5, names.release).start()
            urls = [f"http://slow{index}.test:{port}/a.jpg" for index in range(6)] + [f"http://h.test:{port}/a.jpg"]
            return list(await asyncio.gather(*map(fetcher.fetch, urls)))

    with RawServer(serving(FOUND)) as server:
        fetched = asyncio.run(main(server.port))
    assert {each.status for each in fetched} == {Status.OK}
    assert max(each.duration_ms for each in fetched) <= 1000 * (time.monotonic() - started_s - 0.5)
    assert names.most_hanging == 2


def test_name_is_looked_up_once_for_all_of_its_links(names: Names) -> None:
    with RawServer(serving(FOUND)) as server:
        urls = [f"http://one.test:{server.port}/{index}.jpg" for index in range(60)]
        assert {each.status for each in fetch_all(urls)} == {Status.OK}
    assert names.lookups == {"one.test": 1}


@pytest.mark.parametrize("name", ["missing.test", "slow-and-fails.test"])
def test_name_that_failed_is_not_looked_up_for_each_link(names: Names, name: str) -> None:
    threading.Timer(0.2, names.release).start()
    limits = Politeness(failures_to_pause=10_000)
    fetched = fetch_all([f"http://{name}/{index}.jpg" for index in range(60)], politeness=limits)
    assert {each.status for each in fetched} == {Status.DNS_ERROR}
    assert names.lookups == {name: 1}


def test_name_that_failed_at_once_is_retried(names: Names) -> None:
    with RawServer(serving(FOUND)) as server:
        [fetched] = fetch_all([f"http://flaky.test:{server.port}/a.jpg"], backoff_s=0.2)
    assert fetched.status is Status.OK
    assert names.lookups == {"flaky.test": 2}


def test_lookup_without_end_is_a_dns_error_and_no_time_of_the_image(names: Names) -> None:
    started_s = time.monotonic()
    [fetched] = fetch_all(["http://slow.test/a.jpg"], timeout_s=0.3, max_attempts=2)
    assert fetched.status is Status.DNS_ERROR
    assert fetched.duration_ms <= 1000 * (time.monotonic() - started_s - 0.3)
    assert names.lookups == {"slow.test": 1}


UNUSUAL = ("a" * 63 + ".test", "xn--nxasmq6b.test", "under_score.test", "-.test", "trailing.test.")


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_name_is_looked_up_as_it_is_written(names: Names, name: str) -> None:
    with RawServer(serving(FOUND)) as server:
        [fetched] = fetch_all([f"http://{name}:{server.port}/a.jpg"])
    assert fetched.status is Status.OK
    assert set(names.lookups) == {name}


class Scripted(AbstractResolver):
    """A resolver that takes some virtual seconds for each name and then raises or returns what is next."""

    def __init__(self, seconds: float, *results: Exception | list[str]) -> None:
        self.seconds, self.results, self.times = seconds, list(results), list[float]()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return [
            ResolveResult(hostname=host, host=each, port=port, family=socket.AF_INET, proto=0, flags=0)
            for each in result
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def resolve_every(cache: NameCache, interval_s: float, num_times: int) -> list[str]:
    """The first address of each request of a name, or the type of its error."""
    found = []
    for _ in range(num_times):
        await cache.prepare("a.test")
        try:
            found.append((await cache.resolve("a.test", 80))[0]["host"])
        except OSError as error:
            found.append(type(error).__name__)
        await asyncio.sleep(interval_s)
    return found


def test_addresses_take_turns_and_are_looked_up_again_when_they_are_old() -> None:
    async def check() -> None:
        scripted = Scripted(1.0, ["1.1.1.1", "2.2.2.2"], ["3.3.3.3"])
        found = await resolve_every(NameCache(scripted), 20.0, 5)
        assert found == ["2.2.2.2", "1.1.1.1", "2.2.2.2", "3.3.3.3", "3.3.3.3"]
        assert scripted.times == [0.0, 61.0]

    run(check())


def test_name_that_does_not_exist_rests() -> None:
    async def check() -> None:
        missing = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        scripted = Scripted(0.1, missing, ["1.1.1.1"])
        found = await resolve_every(NameCache(scripted), MISSING_S / 5, 8)
        assert found == ["OSError"] * 5 + ["1.1.1.1"] * 3

    run(check())


PROBLEMS = (socket.gaierror(socket.EAI_AGAIN, "again"), OSError("too long"), UnicodeError("label too long"))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_slow_failure_rests_for_ten_times_as_long_as_it_took(problem: Exception) -> None:
    async def check() -> None:
        scripted = Scripted(5.0, problem, ["1.1.1.1"])
        found = await resolve_every(NameCache(scripted), 9.0, 8)
        assert found == ["OSError"] * 6 + ["1.1.1.1"] * 2
        assert scripted.times == [0.0, 59.0]

    run(check())


def test_links_that_wait_together_end_together_when_a_lookup_is_impossible() -> None:
    async def check() -> None:
        cache = NameCache(Scripted(1.0, RuntimeError("can't start new thread"), ["1.1.1.1"]))
        waiting = [asyncio.create_task(cache.prepare("a.test")) for _ in range(5)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} == {RuntimeError}
        await cache.prepare("a.test")
        assert [each["port"] for each in await cache.resolve("a.test", 8080)] == [8080]

    run(check())


def test_many_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        cache = NameCache(Scripted(0.0, ["1.1.1.1"]))
        for index in range(100):
            await cache.prepare(f"a{index}.test")
        assert len(cache._known) == 10
        assert "a99.test" in cache._known

    monkeypatch.setattr("catalog.download.name_cache.MAX_NAMES", 10)
    run(check())


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", False), ("::1", False), ("a.test", True), ("1a.2", True), ("1.test", True)]
)
def test_addresses_need_no_lookup(host: str, expected: bool) -> None:
    assert is_name(host) is expected
