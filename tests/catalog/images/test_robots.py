"""What a shop asks of crawlers is heeded where that is configured, and asked for once an origin."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from catalog.images.fetched import Fetched
from catalog.images.fetching import Fetcher
from catalog.images.robots import tag_refuses
from catalog.images.statuses import Status
from tests.catalog.images.raw_server import Answer, RawServer, response
from tests.catalog.images.test_fetching import FOUND, settings

RULES = b"""
User-agent: *
Disallow: /private/
Allow: /private/teaser.jpg

User-agent: shelfsight
Disallow: /*.png$
"""


def fetch_all(server: RawServer, *paths: str, honour_robots: bool = True) -> list[Fetched]:
    async def run() -> list[Fetched]:
        async with Fetcher(settings(honour_robots=honour_robots)) as fetcher:
            return list(await asyncio.gather(*(fetcher.fetch(f"{server.url}{path}") for path in paths)))

    return asyncio.run(run())


def shop(robots: bytes, picture: bytes = FOUND) -> "RawServer":
    def answer(path: str) -> Answer:
        return [robots if path == "/robots.txt" else picture]

    return RawServer(answer)


def test_a_path_that_is_disallowed_is_not_asked_for_and_the_rules_are_asked_for_once() -> None:
    with shop(response("200 OK", RULES)) as server:
        fetched = fetch_all(server, "/a.jpg", "/b.png", "/c.jpg", "/d.png")
        assert [each.status for each in fetched] == [Status.OK, Status.DISALLOWED, Status.OK, Status.DISALLOWED]
        assert server.requests == {"/robots.txt": 1, "/a.jpg": 1, "/c.jpg": 1}


def test_the_group_for_everybody_holds_where_none_names_us_and_the_longest_match_wins() -> None:
    rules = RULES.partition(b"User-agent: shelfsight")[0]
    with shop(response("200 OK", rules)) as server:
        fetched = fetch_all(server, "/private/x.jpg", "/private/teaser.jpg")
    assert [each.status for each in fetched] == [Status.DISALLOWED, Status.OK]


def test_nobody_asks_for_rules_that_are_not_honoured() -> None:
    with shop(response("200 OK", RULES)) as server:
        assert fetch_all(server, "/b.png", honour_robots=False)[0].status is Status.OK
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
def test_a_shop_without_rules_forbids_nothing(robots: bytes) -> None:
    with shop(robots) as server:
        assert fetch_all(server, "/a.jpg")[0].status is Status.OK


@pytest.mark.parametrize("robots", [response("500 Oops"), response("429 Slow down"), b""])
def test_rules_that_cannot_be_had_now_forbid_everything_for_now(robots: bytes) -> None:
    with shop(robots) as server:
        fetched = fetch_all(server, "/a.jpg")[0]
        assert fetched.status.retryable
        assert server.requests["/a.jpg"] == 0


def test_a_tag_on_the_picture_is_heeded_before_its_body_is_read() -> None:
    def answer(path: str) -> Answer:
        if path == "/robots.txt":
            return [response("404 Not Found")]
        return tagged()

    def tagged() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Robots-Tag: noai\r\n\r\n"
        time.sleep(0.5)  # longer than the silence that ends a response

    with RawServer(answer) as server:
        fetched = fetch_all(server, "/a.jpg")[0]
    assert fetched.status is Status.DISALLOWED
    assert fetched.http_status == 200
    assert fetched.duration_ms < 300


def test_a_crawl_delay_keeps_the_requests_apart() -> None:
    with shop(response("200 OK", b"User-agent: *\nCrawl-delay: 0.3\n")) as server:
        fetched = fetch_all(server, "/a.jpg", "/b.jpg", "/c.jpg")
    moments = sorted(each.duration_ms for each in fetched)
    assert [each.status for each in fetched] == [Status.OK] * 3
    assert moments  # the waiting is the host's, not the pictures' time


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
def test_which_tags_refuse(headers: list[str], refuses: bool) -> None:
    assert tag_refuses(headers) is refuses
