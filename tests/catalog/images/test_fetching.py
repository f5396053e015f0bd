"""What asking for one link gives, against servers that misbehave on real sockets."""

import asyncio
import gzip
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import hypothesis
import pytest
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st

from catalog.images.fetch_settings import FetchSettings
from catalog.images.fetched import Fetched
from catalog.images.fetching import Fetcher
from catalog.images.politeness import Politeness
from catalog.images.statuses import Status
from tests.catalog.images.raw_server import Answer, RawServer, response
from tests.catalog.images.test_guards import Answers

BODY = b"the bytes of a picture"
FOUND = response("200 OK", BODY)
QUICK = {
    "allowed_networks": ("127.0.0.1",),
    "connect_timeout_s": 1.0,
    "idle_timeout_s": 0.3,
    "timeout_s": 1.0,
    "backoff_s": 0.01,
}


def settings(**changes: object) -> FetchSettings:
    return FetchSettings(**{**QUICK, **changes})  # type: ignore[arg-type]


def fetch(url: str, resolver: AbstractResolver | None = None, **changes: object) -> Fetched:
    async def run() -> Fetched:
        async with Fetcher(settings(**changes), resolver=resolver) as fetcher:
            return await fetcher.fetch(url)

    return asyncio.run(run())


def serving(*answers: bytes) -> Callable[[str], Answer]:
    """A server's function that gives one answer after the other, the last one for ever."""
    left = list(answers)
    return lambda path: [left.pop(0) if len(left) > 1 else left[0]]


def test_a_picture_comes_whole_with_its_trail() -> None:
    with RawServer(serving(FOUND)) as server:
        fetched = fetch(f"{server.url}/a.jpg")
    assert (fetched.status, fetched.data, fetched.http_status) == (Status.OK, BODY, 200)
    assert (fetched.attempts, fetched.final_url) == (1, None)
    assert 0 < fetched.duration_ms < 1000


def test_the_server_is_told_honestly_who_asks() -> None:
    with RawServer(serving(FOUND)) as server:
        fetch(f"{server.url}/a.jpg", user_agent="shelfsight/0.1 (contact@shop.example)")
        assert "User-Agent: shelfsight/0.1 (contact@shop.example)\r\n" in server.headers[0]


@pytest.mark.parametrize(
    ("answer", "status", "num_requests"),
    [
        (response("404 Not Found"), Status.GONE, 1),
        (response("410 Gone"), Status.GONE, 1),
        (response("403 Forbidden"), Status.HOST_REFUSED, 3),
        (response("429 Too Many Requests"), Status.HOST_REFUSED, 3),
        (response("500 Internal Server Error"), Status.HTTP_ERROR, 3),
        (response("503 Unavailable"), Status.HTTP_ERROR, 3),
        (response("400 Bad Request"), Status.HTTP_ERROR, 1),
        (response("204 No Content"), Status.HTTP_ERROR, 1),
        (response("302 Found"), Status.HTTP_ERROR, 1),  # to nowhere
        (b"this is not HTTP\r\n\r\n", Status.HTTP_ERROR, 1),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", Status.HTTP_ERROR, 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", Status.HTTP_ERROR, 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nhalf", Status.CONNECT_ERROR, 3),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", Status.HTTP_ERROR, 1),
        (response("200 OK", b"no gzip at all", "Content-Encoding: gzip"), Status.CONNECT_ERROR, 3),
        (response("200 OK", b"no deflate", "Content-Encoding: deflate"), Status.CONNECT_ERROR, 3),
        (response("302 Found", b"", "Location: http://\x80\xff/\xfe"), Status.INVALID_URL, 1),
        (response("302 Found", b"", "Location: http://a..b/c"), Status.INVALID_URL, 1),
    ],
)
def test_an_answer_that_is_no_picture_is_a_status(answer: bytes, status: Status, num_requests: int) -> None:
    with RawServer(serving(answer)) as server:
        fetched = fetch(f"{server.url}/a.jpg")
        assert fetched.status is status
        assert fetched.data is None
        assert fetched.attempts == num_requests
        assert server.requests["/a.jpg"] == num_requests


@pytest.mark.parametrize("first", [response("500 Oops"), response("429 Slow down", b"", "Retry-After: 0"), b""])
def test_a_fault_that_passes_is_forgotten(first: bytes) -> None:
    with RawServer(serving(first, FOUND)) as server:
        fetched = fetch(f"{server.url}/a.jpg")
    assert (fetched.status, fetched.data) == (Status.OK, BODY)


def test_retry_after_is_waited_for() -> None:
    with RawServer(serving(response("429 Slow down", b"", "Retry-After: 1"), FOUND)) as server:
        started = time.monotonic()
        fetched = fetch(f"{server.url}/a.jpg")
        assert fetched.status is Status.OK
        assert fetched.attempts == 2
        assert time.monotonic() - started >= 1
        assert fetched.duration_ms < 500  # the waiting is not the picture's time


def drip() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    while True:
        time.sleep(0.05)
        yield b"x"


def stop_in_the_middle() -> Iterator[bytes]:
    yield FOUND[:-5]
    time.sleep(1)


@pytest.mark.parametrize("answer", [lambda: None, drip, stop_in_the_middle])
def test_a_stall_or_a_drip_ends_in_time_and_is_not_tried_again(answer: Callable[[], Answer]) -> None:
    with RawServer(lambda path: answer()) as server:
        started = time.monotonic()
        fetched = fetch(f"{server.url}/a.jpg")
        assert fetched.status is Status.TIMEOUT
        assert time.monotonic() - started < 3
        assert server.requests["/a.jpg"] == 1


def test_a_body_without_end_is_cut_off() -> None:
    with RawServer(lambda path: chain([b"HTTP/1.1 200 OK\r\n\r\n"], repeat(bytes(65_536)))) as server:
        assert fetch(f"{server.url}/a.jpg", max_bytes=1_000_000).status is Status.TOO_LARGE


def test_a_body_that_admits_its_size_is_not_read() -> None:
    with RawServer(serving(b"HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\nx")) as server:
        assert fetch(f"{server.url}/a.jpg").status is Status.TOO_LARGE


def test_a_gzip_bomb_is_cut_off_unpacked() -> None:
    packed = gzip.compress(bytes(50_000_000))
    assert len(packed) < 100_000
    with RawServer(serving(response("200 OK", packed, "Content-Encoding: gzip"))) as server:
        assert fetch(f"{server.url}/a.jpg", max_bytes=1_000_000).status is Status.TOO_LARGE


def test_nobody_listening_is_a_connect_error() -> None:
    with RawServer(serving(FOUND)) as server:
        url = server.url
    assert fetch(f"{url}/a.jpg").status is Status.CONNECT_ERROR


def test_plain_http_behind_an_https_link_is_a_connect_error() -> None:
    with RawServer(serving(FOUND)) as server:
        assert fetch(f"https://127.0.0.1:{server.port}/a.jpg").status is Status.CONNECT_ERROR


def test_a_name_that_does_not_exist_is_a_dns_error() -> None:
    assert fetch("http://shop.invalid/a.jpg", max_attempts=1, timeout_s=30.0).status is Status.DNS_ERROR


HEADER = st.tuples(
    st.sampled_from(["Content-Length", "Content-Encoding", "Transfer-Encoding", "Location", "Retry-After", "X"]),
    st.one_of(
        st.sampled_from(["0", "5", "-1", "gzip", "br", "zstd", "chunked", "/", "//", "http://[", "\xff"]),
        st.text(),
    ),
).map(lambda pair: f"{pair[0]}: {pair[1]}\r\n".encode("utf-8", "surrogatepass"))
STATUS_LINE = st.one_of(
    st.integers(-1, 1000).map(lambda code: f"HTTP/1.1 {code} Words\r\n".encode()), st.binary(max_size=20)
)


@hypothesis.settings(max_examples=150, deadline=None)
@given(STATUS_LINE, st.lists(HEADER, max_size=4), st.binary(max_size=40))
def test_no_answer_whatever_raises(status_line: bytes, headers: list[bytes], body: bytes) -> None:
    def answer(path: str) -> Answer:
        return [status_line, *headers, b"\r\n", body] if path == "/a.jpg" else [FOUND]

    with RawServer(answer) as server:
        patience = {"max_attempts": 1, "timeout_s": 0.3, "idle_timeout_s": 0.05, "max_redirects": 1}
        fetched = fetch(f"{server.url}/a.jpg", Answers(["127.0.0.1"]), **patience)
    assert (fetched.data is not None) == (fetched.status is Status.OK)


def redirect(target: str) -> bytes:
    return response("302 Found", b"", f"Location: {target}")


def test_a_redirect_is_followed_and_told() -> None:
    pages = {"/a.jpg": redirect("/b.jpg"), "/b.jpg": redirect("c.jpg"), "/c.jpg": FOUND}
    with RawServer(lambda path: [pages[path]]) as server:
        fetched = fetch(f"{server.url}/a.jpg")
        assert (fetched.status, fetched.data) == (Status.OK, BODY)
        assert fetched.final_url == f"{server.url}/c.jpg"
        assert fetched.attempts == 1


@pytest.mark.parametrize("home", ["/", "/index.html", "/?from=a.jpg", ""])
def test_a_redirect_to_the_home_page_is_recognised_and_not_fetched(home: str) -> None:
    with RawServer(lambda path: [redirect(home or server.url) if path == "/a.jpg" else FOUND]) as server:
        fetched = fetch(f"{server.url}/a.jpg")
        assert fetched.status is Status.REDIRECTED_HOME
        assert fetched.http_status == 302
        assert set(server.requests) == {"/a.jpg"}


def test_a_picture_at_the_root_is_a_picture() -> None:
    with RawServer(serving(FOUND)) as server:
        assert fetch(f"{server.url}/").status is Status.OK


def test_redirects_without_end_are_too_many() -> None:
    with RawServer(lambda path: [redirect(path + "x")]) as server:
        fetched = fetch(f"{server.url}/a.jpg", max_redirects=4)
        assert fetched.status is Status.TOO_MANY_REDIRECTS
        assert server.requests.total() == 5


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://169.254.169.254/", Status.BLOCKED_ADDRESS),
        ("http://169.254.169.254/latest/meta-data/", Status.BLOCKED_ADDRESS),
        ("http://[fd00:ec2::254]/latest/", Status.BLOCKED_ADDRESS),
        ("http://[::ffff:10.0.0.1]/x", Status.BLOCKED_ADDRESS),
        (
            "http://localhost/x",
            Status.BLOCKED_ADDRESS,
        ),  # resolves to ::1 or 127.0.0.1; see the settings below
        ("file:///etc/passwd", Status.INVALID_URL),
        ("gopher://127.0.0.1/x", Status.INVALID_URL),
        ("http://2130706433/x", Status.INVALID_URL),
        ("http://user:secret@127.0.0.1/x", Status.INVALID_URL),
        ("http://[broken/x", Status.INVALID_URL),
    ],
)
def test_a_redirect_to_the_inside_is_refused(target: str, status: Status) -> None:
    allowed = Answers(["127.0.0.3"]) if "localhost" in target else None  # an address that is not allowed
    with RawServer(serving(redirect(target))) as server:
        fetched = fetch(f"{server.url}/a.jpg", resolver=allowed)
        assert fetched.status is status
        assert fetched.attempts == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/a.jpg", "http://localhost:{port}/a.jpg"])
def test_loopback_is_refused_unless_it_is_allowed(url: str) -> None:
    with RawServer(serving(FOUND)) as server:
        link = url.format(port=server.port)
        assert fetch(link, allowed_networks=()).status is Status.BLOCKED_ADDRESS
        assert not server.requests
        assert fetch(link, allowed_networks=("127.0.0.0/8",)).status is Status.OK


def test_a_name_that_rebinds_between_check_and_connect_never_reaches_the_inside() -> None:
    # 127.0.0.1 plays the public address; 127.0.0.2 the one inside, which the name turns to afterwards.
    with RawServer(serving(FOUND)) as public, RawServer(serving(FOUND), "127.0.0.2", public.port) as inside:
        rebinding = Answers(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://shop.example:{public.port}/a.jpg"
        assert fetch(url, resolver=rebinding).status is Status.OK
        assert fetch(url, resolver=rebinding).status is Status.BLOCKED_ADDRESS
        assert public.requests.total() == 1
        assert not inside.requests


def test_a_mixed_answer_is_connected_to_at_its_public_address_only() -> None:
    with RawServer(serving(FOUND)) as public, RawServer(serving(FOUND), "127.0.0.2", public.port) as inside:
        fetched = fetch(f"http://shop.example:{public.port}/a.jpg", Answers(["127.0.0.2", "127.0.0.1"]))
        assert fetched.status is Status.OK
        assert not inside.requests


def test_a_host_that_only_refuses_is_left_alone() -> None:
    async def run(url: str) -> list[Fetched]:
        politeness = Politeness(max_connections=2, failures_to_pause=6, pause_s=60)
        async with Fetcher(settings(politeness=politeness)) as fetcher:
            return list(await asyncio.gather(*(fetcher.fetch(f"{url}/{index}.jpg") for index in range(100))))

    with RawServer(serving(response("403 Forbidden"))) as server:
        statuses = [fetched.status for fetched in asyncio.run(run(server.url))]
        assert set(statuses) == {Status.HOST_REFUSED, Status.HOST_PAUSED}
        assert statuses.count(Status.HOST_REFUSED) <= 8
        assert server.requests.total() <= 10


def test_no_more_than_the_allowed_connections_are_open_to_a_host() -> None:
    num_open = most = 0

    def answer(path: str) -> Answer:
        nonlocal num_open, most
        num_open += 1
        most = max(most, num_open)
        time.sleep(0.02)
        num_open -= 1
        return [FOUND]

    async def run(url: str) -> list[Fetched]:
        async with Fetcher(settings(politeness=Politeness(max_connections=3))) as fetcher:
            return list(await asyncio.gather(*(fetcher.fetch(f"{url}/{index}.jpg") for index in range(30))))

    with RawServer(answer) as server:
        assert {fetched.status for fetched in asyncio.run(run(server.url))} == {Status.OK}
    assert most <= 3


def test_a_slow_host_keeps_no_connection_from_the_others() -> None:
    async def run(slow: str, quick: str) -> float:
        politeness = Politeness(max_connections=8, rate_per_s=1000)
        async with Fetcher(
            settings(politeness=politeness, max_connections=8, idle_timeout_s=2.0, timeout_s=5.0)
        ) as fetcher:
            waiting = [asyncio.create_task(fetcher.fetch(f"{slow}/{index}.jpg")) for index in range(4)]
            await asyncio.sleep(0.05)
            started = time.monotonic()
            fetched = await asyncio.gather(*(fetcher.fetch(f"{quick}/{index}.jpg") for index in range(50)))
            assert {each.status for each in fetched} == {Status.OK}
            took_s = time.monotonic() - started
            assert {each.status for each in await asyncio.gather(*waiting)} == {Status.TIMEOUT}
            return took_s

    with RawServer(lambda path: None) as slow, RawServer(serving(FOUND)) as quick:
        assert asyncio.run(run(slow.url, quick.url)) < 1.9


def test_settings_that_cannot_work_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="max_attempts must be at least 1, not 0"):
        FetchSettings(max_attempts=0)
