"""A shop's rules for crawlers are obeyed where that is configured, and fetched once per origin."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from catalog.download.fetched import Fetched
from catalog.download.fetching import Fetcher
from catalog.download.host_limiter import HostLimiter
from catalog.download.robots import tag_refuses
from catalog.images.statuses import Status
from tests.catalog.download.raw_server import RawServer, Reply, response
from tests.catalog.download.test_fetching import FOUND, settings

RULES = b"""
User-agent: *
Disallow: /private/
Allow: /private/teaser.jpg

User-agent: shelfsight
Disallow: /*.png$
"""


def fetch_all(server: RawServer, *paths: str, honor_robots: bool = True) -> list[Fetched]:
    async def run() -> list[Fetched]:
        async with Fetcher(settings(honor_robots=honor_robots)) as fetcher:
            return list(await asyncio.gather(*(fetcher.fetch(f"{server.url}{path}") for path in paths)))

    return asyncio.run(run())


def shop(robots: bytes, image: bytes = FOUND) -> "RawServer":
    def reply(path: str) -> Reply:
        return [robots if path == "/robots.txt" else image]

    return RawServer(reply)


def test_disallowed_path_is_not_fetched_and_the_rules_only_once() -> None:
    with shop(response("200 OK", RULES)) as server:
        fetched = fetch_all(server, "/a.jpg", "/b.png", "/c.jpg", "/d.png")
        assert [each.status for each in fetched] == [Status.OK, Status.DISALLOWED, Status.OK, Status.DISALLOWED]
        assert server.requests == {"/robots.txt": 1, "/a.jpg": 1, "/c.jpg": 1}


def test_group_for_all_agents_applies_and_the_longest_match_wins() -> None:
    rules = RULES.partition(b"User-agent: shelfsight")[0]
    with shop(response("200 OK", rules)) as server:
        fetched = fetch_all(server, "/private/x.jpg", "/private/teaser.jpg")
    assert [each.status for each in fetched] == [Status.DISALLOWED, Status.OK]


def test_rules_that_are_not_honored_are_not_fetched() -> None:
    with shop(response("200 OK", RULES)) as server:
        assert fetch_all(server, "/b.png", honor_robots=False)[0].status is Status.OK
        assert server.requests == {"/b.png": 1}


@pytest.mark.parametrize(
    "robots",
    [
        response("404 Not Found"),
        response("403 Forbidden"),
        response("302 Found", b"", "Location: /"),
        response("200 OK", b"\xff\xfe nonsense \0" * 100),
    ],
)
def test_shop_without_rules_forbids_nothing(robots: bytes) -> None:
    with shop(robots) as server:
        assert fetch_all(server, "/a.jpg")[0].status is Status.OK


@pytest.mark.parametrize("robots", [response("500 Oops"), response("429 Slow down"), b""])
def test_unreachable_rules_forbid_everything_for_now(robots: bytes) -> None:
    with shop(robots) as server:
        fetched = fetch_all(server, "/a.jpg")[0]
        assert fetched.status.retryable
        assert server.requests["/a.jpg"] == 0


def test_tag_on_the_image_applies_before_its_body_is_read() -> None:
    def reply(path: str) -> Reply:
        if path == "/robots.txt":
            return [response("404 Not Found")]
        return tagged()

    def tagged() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Robots-Tag: noai\r\n\r\n"
        fetched.wait(60)  # longer than the idle timeout: no body comes

    fetched = threading.Event()
    with RawServer(reply) as server:
        tagged_image = fetch_all(server, "/a.jpg")[0]
        fetched.set()
    assert tagged_image.status is Status.DISALLOWED
    assert tagged_image.http_status == 200


def test_crawl_delay_slows_its_host_down(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[tuple[str, float]] = []
    monkeypatch.setattr(HostLimiter, "slow_down", lambda self, delay_s: delays.append((self.name, delay_s)))
    with shop(response("200 OK", b"User-agent: *\nCrawl-delay: 0.3\n")) as server:
        fetched = fetch_all(server, "/a.jpg", "/b.jpg", "/c.jpg")
        assert delays == [(f"127.0.0.1:{server.port}", 0.3)]
    assert [image.status for image in fetched] == [Status.OK] * 3


@pytest.mark.parametrize(
    ("headers", "refuses"),
    [
        ([], False),
        (["all"], False),
        (["noindex"], True),
        (["max-image-preview:large, NoAI"], True),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST"], False),
        (["otherbot: noindex, nofollow"], False),
        (["otherbot: noindex", "shelfsight: noimageai"], True),
        (["shelfsight: nofollow"], False),
        (["none"], True),
        (["nofollow, nosnippet"], False),
    ],
)
def test_tags_that_refuse_are_recognized(headers: list[str], refuses: bool) -> None:
    assert tag_refuses(headers) is refuses
