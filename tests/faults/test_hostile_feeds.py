"""Servers that drip, fall silent, redirect without end or send nonsense: each is a problem of its own feed alone."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from catalog.feeds import registration
from catalog.feeds.feed import FeedBatch
from catalog.feeds.feed_access import FeedAccess
from catalog.feeds.feed_content import read_feed
from catalog.feeds.sources import FeedFile, InboxError
from catalog_assets.ingestion.inbox import Arrivals, arrivals
from catalog_assets.ingestion.scan_settings import ScanSettings
from resources.store import Store
from tests.catalog.download.raw_server import RawServer, Reply, response
from tests.catalog_assets.delivering import drop, tsv, write_settings

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ACCESS = FeedAccess(allowed_networks=("127.0.0.1/32",), timeout_s=0.6, idle_s=0.3, max_bytes=1_000_000)
FEED = tsv("ab")
PRIVATE = "known-to-the-server-alone"


def head(length: int, *headers: str) -> bytes:
    """The head of a response whose body is to come."""
    lines = ("HTTP/1.1 200 OK", f"Content-Length: {length}", "Connection: close", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def dripping(data: bytes, pause_s: float = 0.05) -> Iterator[bytes]:
    """A byte at a time."""
    for number in range(len(data)):
        yield data[number : number + 1]
        time.sleep(pause_s)


def silent_after(parts: list[bytes]) -> Iterator[bytes]:
    """These parts, and then nothing for longer than a client waits."""
    yield from parts
    time.sleep(5 * ACCESS.idle_s)


def later(replies: list[Reply]) -> Callable[[], Reply]:
    """The first reply to the first request, the last one to all others."""
    left = list(replies)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


COUNTER = itertools.count()
OK = [response("200 OK", FEED, 'ETag: "1"')]
# What a server does, and what the problem of its feed says.
SERVERS: dict[str, tuple[Callable[[], Reply], str]] = {
    "silent": (lambda: None, "takes too long"),
    "dripping-status": (lambda: dripping(response("200 OK", FEED)), "takes too long"),
    "dripping-headers": (
        lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], dripping(b"A: b\r\n" * 99)),
        "takes too long",
    ),
    "dripping-body": (later([OK, OK, itertools.chain([head(5_000)], dripping(b"x" * 5_000))]), "bytes"),
    "silent-in-the-body": (later([OK, OK, silent_after([head(5_000), b"id\t"])]), "cannot be reached"),
    "endless": (
        later([OK, OK, itertools.chain([head(10**12)], itertools.repeat(b"x" * 65_536))]),
        "more than 1,000,000",
    ),
    "endless-chunks": (
        later(
            [
                OK,
                OK,
                itertools.chain(
                    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
                    itertools.repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n"),
                ),
            ]
        ),
        "more than 1,000,000",
    ),
    "redirected-to-itself": (lambda: [response("302 Found", b"", "Location: ?")], "cannot be reached"),
    "redirected-without-end": (
        lambda: [response("302 Found", b"", f"Location: redirected-without-end.tsv?{next(COUNTER)}")],
        "cannot be reached",
    ),
    "redirected-slowly": (
        lambda: itertools.chain(
            dripping(b"HTTP/1.1 302 ", 0.02),
            [b"Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: redirected-slowly.tsv\r\n\r\n"],
        ),
        "takes too long",
    ),
    "changing-at-every-request": (lambda: [response("200 OK", FEED, f'ETag: "{next(COUNTER)}"')], "changed while"),
    "refusing": (lambda: [response(f"403 {PRIVATE}", PRIVATE.encode())], "HTTP status 403"),
    "failing": (lambda: [response(f"500 {PRIVATE}", PRIVATE.encode())], "HTTP status 500"),
    "gone": (lambda: [response(f"404 {PRIVATE}", PRIVATE.encode())], "HTTP status 404"),
    "no-http": (lambda: [f"SSH-2.0-{PRIVATE}\r\n".encode() * 20], "cannot be reached"),
    "broken-length": (lambda: [f"HTTP/1.1 200 OK\r\nContent-Length: {PRIVATE}\r\n\r\n".encode()], "cannot be reached"),
    "hanging-up": (lambda: [], "cannot be reached"),
    "hanging-up-in-the-body": (later([OK, OK, [head(5_000), b"id\t"]]), "cannot be reached"),
    "headers-without-end": (
        lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"A: b\r\n" * 1_000)),
        "cannot be reached",
    ),
}


def scanned(
    store: Store,
    instance: dg.DagsterInstance,
    seen: dict[str, str] | None = None,
    *,
    clock: Callable[[], datetime] = lambda: NOON,
    max_scan_s: float | None = None,
    access: FeedAccess = ACCESS,
) -> Arrivals:
    settings = ScanSettings(access=access, clock=clock, max_scan_s=max_scan_s)
    return arrivals(store, instance, seen or {}, settings)


def keys(found: Arrivals) -> list[str]:
    return [delivery.key for delivery in found.deliveries]


@pytest.mark.parametrize("name", SERVERS)
def test_its_feed_is_a_problem_and_the_others_are_registered(
    store: Store, instance: dg.DagsterInstance, name: str
) -> None:
    reply, problem = SERVERS[name]
    with RawServer(lambda path: OK if path == "/healthy.tsv" else reply()) as server:
        write_settings(store, f"{server.url}/{name}.tsv", f"{server.url}/healthy.tsv")
        drop(store, "xyz")
        found = scanned(store, instance)
    assert keys(found) == ["hansen.big", "hansen.healthy"]
    assert len(found.problems) == 1
    assert problem in found.problems[0]
    assert f"/{name}.tsv" in found.problems[0]
    assert PRIVATE not in found.problems[0]
    assert not list((store.local / "deliveries").glob(f"hansen.{name}*"))


def test_a_silent_feed_does_not_hold_up_a_scan_and_is_registered_by_a_later_one(
    store: Store, instance: dg.DagsterInstance
) -> None:
    spoken = threading.Event()

    def reply(path: str) -> Reply:
        if path == "/slow.tsv":
            spoken.wait(30)
        return OK

    patient = FeedAccess(allowed_networks=("127.0.0.1/32",))
    with RawServer(reply) as server:
        write_settings(store, f"{server.url}/slow.tsv", f"{server.url}/healthy.tsv")
        while keys(first := scanned(store, instance, max_scan_s=0.5, access=patient)) != ["hansen.healthy"]:
            pass  # a machine under load
        assert "slow.tsv has been read for" in first.problems[0]
        assert f"{server.url}/slow.tsv" not in first.seen
        spoken.set()
        second = scanned(store, instance, first.seen, access=patient)
    assert keys(second) == ["hansen.slow"]
    assert second.problems == []
    assert server.requests["/healthy.tsv"] == 4  # of one poll: the version three times, and the feed once


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1/feed.tsv?hidden",
        "http://hidden@[shop]/feed.tsv",
        "http://shop.example:port/feed.tsv",
        "http:///feed.tsv",
        "http://a..b/feed.tsv",
    ],
)
def test_a_url_that_is_none_is_a_problem_and_the_others_are_registered(
    store: Store, instance: dg.DagsterInstance, url: str
) -> None:
    write_settings(store, url)
    drop(store, "xyz")
    found = scanned(store, instance)
    assert keys(found) == ["hansen.big"]
    assert len(found.problems) == 1
    assert "hidden" not in found.problems[0]


@pytest.mark.parametrize(
    "url", ["ftp://HOST/feed.tsv", "simplecache::ftp://HOST/feed.tsv", "zip://feed.tsv::ftp://HOST/feed.tsv"]
)
def test_a_server_that_is_silent_as_its_file_system_is_opened_holds_up_no_other_feed(
    store: Store, instance: dg.DagsterInstance, url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # which accepts, and never says a word
        write_settings(store, url.replace("HOST", f"127.0.0.1:{silent.getsockname()[1]}"))
        drop(store, "xyz")
        found, registered = scanned(store, instance, max_scan_s=0.3), list[str]()
        while not (registered := registered + keys(found)):  # a machine under load
            found = scanned(store, instance, found.seen, max_scan_s=0.3)
    assert registered == ["hansen.big"]
    assert "has been read for" in found.problems[0]


@pytest.mark.parametrize("num_silent", [1, 16, 20])
def test_feeds_that_were_silent_before_come_after_all_others(
    store: Store, instance: dg.DagsterInstance, num_silent: int
) -> None:
    with RawServer(lambda path: OK if "healthy" in path else None) as server:
        silent = [f"{server.url}/a{number:02}.tsv" for number in range(num_silent)]
        write_settings(store, *silent, f"{server.url}/healthy.tsv")
        first = scanned(store, instance)
        assert keys(first) == ["hansen.healthy"]
        order = list[str]()
        with RawServer(lambda path: order.append(path) or OK, port=0) as second:  # type: ignore[func-returns-value]
            moved = {name.replace(server.url, second.url): state for name, state in first.seen.items()}
            write_settings(
                store, *(each.replace(server.url, second.url) for each in silent), f"{second.url}/healthy.tsv"
            )
            scanned(store, instance, moved, clock=lambda: NOON + timedelta(minutes=6))
    assert "/healthy.tsv" in order[: 2 * 16]


@pytest.mark.parametrize("reply", [OK, None, [response("500 Oh", b"")]], ids=["healthy", "silent", "failing"])
def test_the_time_of_a_poll_is_that_of_its_end(store: Store, instance: dg.DagsterInstance, reply: Reply) -> None:
    now = [NOON]

    def replying(_: str) -> Reply:
        now[0] += timedelta(minutes=10)  # every request takes so long
        return reply

    with RawServer(replying) as server:
        write_settings(store, f"{server.url}/slow.tsv")
        found = scanned(store, instance, clock=lambda: now[0])
        num_requests = server.requests.total()
        [noted] = [each.partition("|")[0] for each in found.seen.values()]
        assert datetime.fromisoformat(noted) == now[0]
        scanned(store, instance, found.seen, clock=lambda: now[0] + timedelta(minutes=4))
        assert server.requests.total() == num_requests


@pytest.mark.parametrize("error", [TypeError("no text"), MemoryError(), RecursionError("too deep")])
def test_an_error_that_nobody_foresaw_is_a_problem_of_its_feed(
    store: Store, instance: dg.DagsterInstance, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(feed: FeedFile, *names: object) -> Iterator[FeedBatch]:
        if feed.name == "hansen/bad.tsv":
            raise error
        return read_feed(feed, *names)  # type: ignore[arg-type]

    monkeypatch.setattr(registration, "read_feed", read)
    drop(store, "ab", "bad.tsv")
    drop(store, "xyz")
    found = scanned(store, instance)
    assert keys(found) == ["hansen.big"]
    [problem] = found.problems
    assert problem.startswith(f"feed hansen/bad.tsv cannot be registered: {type(error).__name__}")
    assert keys(scanned(store, instance, found.seen)) == []  # it is tried again, and not at once
    monkeypatch.undo()
    later = scanned(store, instance, found.seen, clock=lambda: NOON + timedelta(minutes=6))
    assert keys(later) == ["hansen.bad"]


def test_a_parse_of_a_feed_whose_server_fell_silent_ends(store: Store, instance: dg.DagsterInstance) -> None:
    from catalog.feeds.delivery_rows import delivered_batches
    from catalog_assets.ingestion.inbox import source_of

    is_silent = threading.Event()
    with RawServer(lambda _: None if is_silent.is_set() else OK) as server:
        write_settings(store, f"{server.url}/slow.tsv")
        [delivery] = scanned(store, instance).deliveries
        is_silent.set()
        with pytest.raises(InboxError, match=r"slow\.tsv cannot be reached: its server takes too long"):
            list(delivered_batches(delivery, source_of(store, delivery, ACCESS)))


def test_a_server_that_sends_other_bytes_under_the_same_version_is_not_parsed(
    store: Store, instance: dg.DagsterInstance
) -> None:
    from catalog.feeds.delivery_rows import ChangedFeedError, delivered_batches
    from catalog_assets.ingestion.inbox import source_of

    sent = [FEED]
    with RawServer(lambda _: [response("200 OK", sent[0], 'ETag: "1"')]) as server:
        write_settings(store, f"{server.url}/feed.tsv")
        [delivery] = scanned(store, instance).deliveries
        sent[0] = tsv("xy")
        with pytest.raises(ChangedFeedError):
            list(delivered_batches(delivery, source_of(store, delivery, ACCESS)))
