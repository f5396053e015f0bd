"""One link is fetched, or ends in a status, against servers that misbehave on real sockets."""

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import chain, repeat

import hypothesis
import pytest
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st

from catalog.download.fetched import Fetched
from catalog.download.fetching import Fetcher
from catalog.download.host_limiter import HostLimiter, Politeness
from catalog.download.settings import FetchSettings
from catalog.images.statuses import Status
from tests.catalog.download.raw_server import RawServer, Reply, response
from tests.catalog.network.test_guards import ScriptedResolver

BODY = b"the bytes of an image"
FOUND = response("200 OK", BODY)
QUICK_TIMEOUT_S = 0.5
QUICK = {
    "allowed_networks": ("127.0.0.1",),
    "connect_timeout_s": 10.0,
    "idle_timeout_s": 10.0,
    "timeout_s": 10.0,
    "backoff_s": 0.01,
}


def settings(**changes: object) -> FetchSettings:
    return FetchSettings(**{**QUICK, **changes})  # type: ignore[arg-type]


def fetch(url: str, resolver: AbstractResolver | None = None, **changes: object) -> Fetched:
    async def run() -> Fetched:
        async with Fetcher(settings(**changes), resolver=resolver) as fetcher:
            return await fetcher.fetch(url)

    return asyncio.run(run())


def serving(*replies: bytes) -> Callable[[str], Reply]:
    """A server's function that sends one reply after the other, the last one for ever."""
    left = list(replies)
    return lambda path: [left.pop(0) if len(left) > 1 else left[0]]


def test_image_is_fetched_whole_with_its_metadata() -> None:
    with RawServer(serving(FOUND)) as server:
        fetched = fetch(f"{server.url}/a.jpg")
    assert (fetched.status, fetched.data, fetched.http_status) == (Status.OK, BODY, 200)
    assert (fetched.attempts, fetched.final_url) == (1, None)
    assert 0 < fetched.duration_ms < 1000


def test_request_carries_the_configured_user_agent() -> None:
    with RawServer(serving(FOUND)) as server:
        fetch(f"{server.url}/a.jpg", user_agent="shelfsight/0.1 (contact@shop.example)")
        assert "User-Agent: shelfsight/0.1 (contact@shop.example)\r\n" in server.headers[0]


@pytest.mark.parametrize(
    ("reply", "status", "num_requests"),
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
def test_response_without_an_image_is_a_status(reply: bytes, status: Status, num_requests: int) -> None:
    with RawServer(serving(reply)) as server:
        fetched = fetch(f"{server.url}/a.jpg")
        assert fetched.status is status
        assert fetched.data is None
        assert fetched.attempts == num_requests
        assert server.requests["/a.jpg"] == num_requests


@pytest.mark.parametrize("first", [response("500 Oops"), response("429 Slow down", b"", "Retry-After: 0"), b""])
def test_image_is_fetched_after_a_temporary_fault(first: bytes) -> None:
    with RawServer(serving(first, FOUND)) as server:
        fetched = fetch(f"{server.url}/a.jpg")
    assert (fetched.status, fetched.data) == (Status.OK, BODY)


def test_retry_after_delays_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[float] = []
    monkeypatch.setattr(HostLimiter, "retry_after", lambda self, delay_s: delays.append(delay_s))
    with RawServer(serving(response("429 Slow down", b"", "Retry-After: 7"), FOUND)) as server:
        fetched = fetch(f"{server.url}/a.jpg")
    assert (fetched.status, fetched.attempts) == (Status.OK, 2)
    assert delays == [7.0]


def test_waiting_for_the_host_is_not_the_image_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = asyncio.Event()

    @asynccontextmanager
    async def slot(self: HostLimiter, rank: int = 0) -> AsyncIterator[None]:
        await asyncio.sleep(5.5)
        waited.set()
        yield

    monkeypatch.setattr(HostLimiter, "slot", slot)
    with RawServer(serving(FOUND)) as server:
        fetched = fetch(f"{server.url}/a.jpg", timeout_s=5.0)
    assert waited.is_set()
    assert fetched.status is Status.OK
    assert fetched.duration_ms < 5_000


def drip() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    while True:
        time.sleep(0.05)
        yield b"x"


def stop_in_the_middle(until: threading.Event) -> Iterator[bytes]:
    yield FOUND[:-5]
    until.wait(60)


@pytest.mark.parametrize("limit", ["idle_timeout_s", "timeout_s"])
@pytest.mark.parametrize("has_begun", [False, True])
def test_stall_ends_in_a_timeout_and_is_not_retried(limit: str, has_begun: bool) -> None:
    ended = threading.Event()
    with RawServer(lambda path: stop_in_the_middle(ended) if has_begun else None) as server:
        fetched = fetch(f"{server.url}/a.jpg", **{limit: QUICK_TIMEOUT_S})
        ended.set()
        assert fetched.status is Status.TIMEOUT
        assert fetched.duration_ms > 900 * QUICK_TIMEOUT_S
        assert server.requests["/a.jpg"] == 1


def test_connection_that_is_never_accepted_is_tried_again_and_ends_in_a_timeout() -> None:
    with socket.socket() as server, socket.socket() as waiting:
        server.bind(("127.0.0.1", 0))
        server.listen(0)  # its queue holds one connection, and drops further ones
        waiting.connect(server.getsockname())
        fetched = fetch(f"http://127.0.0.1:{server.getsockname()[1]}/a.jpg", connect_timeout_s=0.2)
    assert (fetched.status, fetched.attempts) == (Status.TIMEOUT, 3)


def test_dripping_response_ends_in_a_timeout_and_is_not_retried() -> None:
    with RawServer(lambda path: drip()) as server:
        fetched = fetch(f"{server.url}/a.jpg", timeout_s=QUICK_TIMEOUT_S)
        assert fetched.status is Status.TIMEOUT
        assert server.requests["/a.jpg"] == 1


def test_endless_body_is_cut_off() -> None:
    with RawServer(lambda path: chain([b"HTTP/1.1 200 OK\r\n\r\n"], repeat(bytes(65_536)))) as server:
        assert fetch(f"{server.url}/a.jpg", max_bytes=1_000_000).status is Status.TOO_LARGE


def test_body_that_declares_too_large_a_size_is_not_read() -> None:
    with RawServer(serving(b"HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\nx")) as server:
        assert fetch(f"{server.url}/a.jpg").status is Status.TOO_LARGE


def test_gzip_bomb_is_cut_off_while_unpacking() -> None:
    packed = gzip.compress(bytes(50_000_000))
    assert len(packed) < 100_000
    with RawServer(serving(response("200 OK", packed, "Content-Encoding: gzip"))) as server:
        assert fetch(f"{server.url}/a.jpg", max_bytes=1_000_000).status is Status.TOO_LARGE


def test_closed_port_is_a_connect_error() -> None:
    with RawServer(serving(FOUND)) as server:
        url = server.url
    assert fetch(f"{url}/a.jpg").status is Status.CONNECT_ERROR


def test_plain_http_behind_an_https_link_is_a_connect_error() -> None:
    with RawServer(serving(FOUND)) as server:
        assert fetch(f"https://127.0.0.1:{server.port}/a.jpg").status is Status.CONNECT_ERROR


def test_name_that_does_not_exist_is_a_dns_error() -> None:
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
def test_no_response_raises(status_line: bytes, headers: list[bytes], body: bytes) -> None:
    def reply(path: str) -> Reply:
        return [status_line, *headers, b"\r\n", body] if path == "/a.jpg" else [FOUND]

    with RawServer(reply) as server:
        limits = {"max_attempts": 1, "timeout_s": 0.3, "idle_timeout_s": 0.05, "max_redirects": 1}
        fetched = fetch(f"{server.url}/a.jpg", ScriptedResolver(["127.0.0.1"]), **limits)
    assert (fetched.data is not None) == (fetched.status is Status.OK)


def redirect(target: str) -> bytes:
    return response("302 Found", b"", f"Location: {target}")


def test_redirect_is_followed_and_recorded() -> None:
    pages = {"/a.jpg": redirect("/b.jpg"), "/b.jpg": redirect("c.jpg"), "/c.jpg": FOUND}
    with RawServer(lambda path: [pages[path]]) as server:
        fetched = fetch(f"{server.url}/a.jpg")
        assert (fetched.status, fetched.data) == (Status.OK, BODY)
        assert fetched.final_url == f"{server.url}/c.jpg"
        assert fetched.attempts == 1


@pytest.mark.parametrize("home", ["/", "/index.html", "/?from=a.jpg", ""])
def test_redirect_to_the_home_page_is_recognized_and_not_fetched(home: str) -> None:
    with RawServer(lambda path: [redirect(home or server.url) if path == "/a.jpg" else FOUND]) as server:
        fetched = fetch(f"{server.url}/a.jpg")
        assert fetched.status is Status.REDIRECTED_HOME
        assert fetched.http_status == 302
        assert set(server.requests) == {"/a.jpg"}


def test_image_at_the_root_is_an_image() -> None:
    with RawServer(serving(FOUND)) as server:
        assert fetch(f"{server.url}/").status is Status.OK


def test_endless_redirects_are_too_many() -> None:
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
def test_redirect_to_a_private_address_is_refused(target: str, status: Status) -> None:
    allowed = ScriptedResolver(["127.0.0.3"]) if "localhost" in target else None  # an address that is not allowed
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


def test_rebinding_name_never_reaches_a_private_address() -> None:
    # 127.0.0.1 plays the public address; 127.0.0.2 the private one, which the name resolves to afterward.
    with RawServer(serving(FOUND)) as public, RawServer(serving(FOUND), "127.0.0.2", public.port) as private:
        rebinding = ScriptedResolver(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://shop.example:{public.port}/a.jpg"
        assert fetch(url, resolver=rebinding).status is Status.OK
        assert fetch(url, resolver=rebinding).status is Status.BLOCKED_ADDRESS
        assert public.requests.total() == 1
        assert not private.requests


def test_name_with_mixed_addresses_is_reached_at_its_public_one() -> None:
    with RawServer(serving(FOUND)) as public, RawServer(serving(FOUND), "127.0.0.2", public.port) as private:
        fetched = fetch(f"http://shop.example:{public.port}/a.jpg", ScriptedResolver(["127.0.0.2", "127.0.0.1"]))
        assert fetched.status is Status.OK
        assert not private.requests


def test_host_that_only_refuses_is_paused() -> None:
    async def run(url: str) -> list[Fetched]:
        politeness = Politeness(max_connections=2, failures_to_pause=6, pause_s=60)
        async with Fetcher(settings(politeness=politeness)) as fetcher:
            return list(await asyncio.gather(*(fetcher.fetch(f"{url}/{index}.jpg") for index in range(100))))

    with RawServer(serving(response("403 Forbidden"))) as server:
        statuses = [fetched.status for fetched in asyncio.run(run(server.url))]
        assert set(statuses) == {Status.HOST_REFUSED, Status.HOST_PAUSED}
        assert statuses.count(Status.HOST_REFUSED) <= 8
        assert server.requests.total() <= 10


def test_connections_to_a_host_never_exceed_their_limit() -> None:
    num_open = most = 0

    def reply(path: str) -> Reply:
        nonlocal num_open, most
        num_open += 1
        most = max(most, num_open)
        time.sleep(0.02)
        num_open -= 1
        return [FOUND]

    async def run(url: str) -> list[Fetched]:
        async with Fetcher(settings(politeness=Politeness(max_connections=3))) as fetcher:
            return list(await asyncio.gather(*(fetcher.fetch(f"{url}/{index}.jpg") for index in range(30))))

    with RawServer(reply) as server:
        assert {fetched.status for fetched in asyncio.run(run(server.url))} == {Status.OK}
    assert most <= 3


def test_slow_host_takes_no_connection_from_the_others() -> None:
    async def run(slow: str, quick: str) -> None:
        async with Fetcher(settings(politeness=Politeness(max_connections=4), max_connections=8)) as fetcher:
            waiting = [asyncio.create_task(fetcher.fetch(f"{slow}/{index}.jpg")) for index in range(20)]
            fetched = await asyncio.gather(*(fetcher.fetch(f"{quick}/{index}.jpg") for index in range(50)))
            assert {each.status for each in fetched} == {Status.OK}
            assert not any(task.done() for task in waiting)
            quick_is_done.set()
            assert {each.status for each in await asyncio.gather(*waiting)} == {Status.OK}

    quick_is_done = threading.Event()

    def reply(path: str) -> Reply:
        quick_is_done.wait(60)
        return [FOUND]

    with RawServer(reply) as slow, RawServer(serving(FOUND)) as quick:
        asyncio.run(run(slow.url, quick.url))


def test_impossible_settings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="max_attempts must be at least 1, not 0"):
        FetchSettings(max_attempts=0)
