"""Fetching: the bytes behind one link, or the status that says why there are none."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDictProxy
from yarl import URL

from catalog.images.fetch_settings import FetchSettings
from catalog.images.fetched import UNKNOWN, Fetched, Validators
from catalog.images.guards import BlockedAddressError, Guard, GuardedResolver, InvalidUrlError
from catalog.images.places import Places
from catalog.images.politeness import Host, HostPausedError, Hosts, retry_after_s
from catalog.images.robots import Robots, RobotsAnswer, tag_refuses
from catalog.images.statuses import Status

HOME_PATHS = frozenset({"", "/", "/index.html"})

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_REFUSED = frozenset({403, 429})
# Asked again within the same download. A timeout is not among them: it has used up the picture's whole time.
_WORTH_ANOTHER_ATTEMPT = frozenset({Status.CONNECT_ERROR, Status.DNS_ERROR, Status.HTTP_ERROR, Status.HOST_REFUSED})
# The first kind that fits counts.
_STATUS_OF_ERROR = (
    (BlockedAddressError, Status.BLOCKED_ADDRESS),
    (TimeoutError, Status.TIMEOUT),  # ours, and aiohttp's for connecting and for silence
    (aiohttp.ClientConnectorDNSError, Status.DNS_ERROR),
    (aiohttp.InvalidURL, Status.INVALID_URL),
    (aiohttp.ClientResponseError, Status.HTTP_ERROR),  # an answer that is not HTTP, headers beyond measure
    (aiohttp.ClientError, Status.CONNECT_ERROR),  # bad TLS, body cut off
    (OSError, Status.CONNECT_ERROR),  # refused, reset
)


@dataclass(frozen=True, slots=True)
class _Reply:
    """The answer to one request: a status, or for a redirect its target."""

    status: Status
    http_status: int | None = None
    data: bytes | None = None
    location: str | None = None
    validators: Validators = UNKNOWN


@dataclass(slots=True)
class _Trail:
    """Where the fetching of one picture stands."""

    asked: URL
    rank: int
    left_s: float
    url: URL  # of the current hop
    known: Validators = UNKNOWN
    robots: Robots | None = None  # whose rules hold; none for a robots.txt itself
    attempts: int = 0  # that have reached their host, or tried to


class Ready(Protocol):
    """What a request waits for before it starts, such as an asyncio.Event."""

    async def wait(self) -> object:
        """Returns once it may start."""


class Fetcher:
    """An HTTP client for pictures: polite to every host, guarded against links that point inside.

    Use as an async context manager. While `ready` is cleared no new request starts: back pressure for a
    caller that cannot take more bytes. `resolver` replaces the system's resolution of names.
    """

    def __init__(
        self,
        settings: FetchSettings,
        *,
        ready: Ready | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._settings = settings
        self._guard = Guard.allowing(settings.allowed_networks)
        self._hosts = Hosts(settings.politeness, settings.host_limits)
        self._connections = Places(settings.max_connections)
        self._ready = ready
        self._robots = Robots(self._ask_robots, self._slow_down) if settings.honour_robots else None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the semaphores above count connections: their waiting costs no picture its time
                resolver=GuardedResolver(self._guard, resolver),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # A compressed body would only hide its size.
            headers={
                "User-Agent": settings.user_agent,
                "Accept": "image/*,*/*;q=0.5",
                "Accept-Encoding": "identity",
            },
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.idle_timeout_s
            ),
        )

    async def __aenter__(self) -> Fetcher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fetch(self, url: str, rank: int = 0, known: Validators | None = None) -> Fetched:
        """The picture's bytes, after as many attempts as it takes and may take; never raises for a link.

        Where several wait for the same host, or for one of the `max_connections`, the lowest rank goes first.
        With `known`, the picture's bytes only if it is not that version any more.
        """
        try:
            asked = self._guard.check_url(url)
        except InvalidUrlError:
            return Fetched(status=Status.INVALID_URL)
        except BlockedAddressError:
            return Fetched(status=Status.BLOCKED_ADDRESS)
        settings = self._settings
        trail = _Trail(asked, rank, settings.timeout_s, asked, known or UNKNOWN, self._robots)
        reply = await self._follow(trail)
        # Without an attempt of its own the link waits for rules that cannot be had now; asking again would not help.
        while 0 < trail.attempts < settings.max_attempts and _worth_another_attempt(reply):
            backoff_s = settings.backoff_s * 2 ** (trail.attempts - 1)
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.5))  # noqa: S311 no secret
            again = await self._follow(trail)
            if again.status is Status.HOST_PAUSED:  # what the last attempt met stays the answer
                break
            reply = again
        return Fetched(
            status=reply.status,
            data=reply.data,
            validators=reply.validators,
            http_status=reply.http_status,
            final_url=str(trail.url) if trail.url != asked else None,
            attempts=trail.attempts,
            duration_ms=(settings.timeout_s - trail.left_s) * 1000,
        )

    async def _follow(self, trail: _Trail) -> _Reply:
        """One attempt: the link and its redirects, every hop checked like a link of its own."""
        trail.url = trail.asked
        for hop in range(self._settings.max_redirects + 1):
            if trail.robots is not None and (refusal := await trail.robots.refusal(trail.url)):
                return _Reply(refusal)
            reply = await self._take_turn(trail, is_first_hop=hop == 0)
            if reply.location is None:
                return reply
            try:
                target = trail.url.join(URL(reply.location))
                trail.url = self._guard.check_url(target)
            except BlockedAddressError:
                return _Reply(Status.BLOCKED_ADDRESS, reply.http_status)
            except ValueError:  # InvalidUrlError among them: file://, credentials, nonsense
                return _Reply(Status.INVALID_URL, reply.http_status)
            if trail.url.path in HOME_PATHS and trail.asked.path not in HOME_PATHS:
                return _Reply(Status.REDIRECTED_HOME, reply.http_status)
        return _Reply(Status.TOO_MANY_REDIRECTS, reply.http_status)

    async def _take_turn(self, trail: _Trail, *, is_first_hop: bool) -> _Reply:
        """One request when its host and the machine have room for it, timed and noted for the host."""
        host = self._host(trail.url)
        try:
            # The host first: whoever waits for a slow host must not keep a connection from the others.
            async with host.turn(trail.rank), self._connections.place(trail.rank):
                if self._ready is not None:
                    await self._ready.wait()
                trail.attempts += is_first_hop
                started = time.monotonic()
                reply = await self._request_in_time(trail, host)
                trail.left_s -= time.monotonic() - started
                if _is_failure_of_host(reply):
                    host.failed(asked_at=started, is_first_attempt=trail.attempts == 1)
                else:
                    host.succeeded()
                return reply
        except HostPausedError:
            return _Reply(Status.HOST_PAUSED)

    async def _request_in_time(self, trail: _Trail, host: Host) -> _Reply:
        try:
            async with asyncio.timeout(max(0.0, trail.left_s)):
                return await self._request(trail, host)
        except (BlockedAddressError, aiohttp.ClientError, OSError) as error:
            return _Reply(next(status for kind, status in _STATUS_OF_ERROR if isinstance(error, kind)))

    async def _request(self, trail: _Trail, host: Host) -> _Reply:
        conditions = trail.known.headers()
        async with self._session.get(trail.url, allow_redirects=False, headers=conditions) as response:
            code = response.status
            if trail.robots is not None and tag_refuses(response.headers.getall("X-Robots-Tag", ())):
                response.close()  # before any of the body is read
                return _Reply(Status.DISALLOWED, code)
            if code == 200:
                return await self._body(response)
            if code == 304 and conditions:
                return _Reply(Status.OK, code, validators=trail.known)
            location = response.headers.get("Location")
            if code in _REDIRECTS and location is not None:
                return _Reply(Status.OK, code, location=location)
            if code in _GONE:
                return _Reply(Status.GONE, code)
            _heed_retry_after(host, code, response.headers)
            return _Reply(Status.HOST_REFUSED if code in _REFUSED else Status.HTTP_ERROR, code)

    async def _body(self, response: aiohttp.ClientResponse) -> _Reply:
        max_bytes = self._settings.max_bytes
        if (response.content_length or 0) > max_bytes:
            response.close()
            return _Reply(Status.TOO_LARGE, response.status)
        chunks: list[bytes] = []
        num_bytes = 0
        async for chunk in response.content.iter_any():
            num_bytes += len(chunk)
            if num_bytes > max_bytes:
                response.close()  # the rest is not worth reading, so neither is the connection
                return _Reply(Status.TOO_LARGE, response.status)
            chunks.append(chunk)
        validators = Validators(response.headers.get("ETag"), response.headers.get("Last-Modified"))
        return _Reply(Status.OK, response.status, data=b"".join(chunks), validators=validators)

    async def _ask_robots(self, url: URL) -> RobotsAnswer:
        trail = _Trail(url, 0, self._settings.timeout_s, url)
        reply = await self._follow(trail)
        return RobotsAnswer(reply.status, reply.http_status, (reply.data or b"").decode("utf-8", errors="replace"))

    def _slow_down(self, origin: URL, delay_s: float) -> None:
        self._host(origin).slow_down(delay_s)

    def _host(self, url: URL) -> Host:
        return self._hosts[f"{url.raw_host}:{url.port}"]


def _worth_another_attempt(reply: _Reply) -> bool:
    if reply.status is Status.HTTP_ERROR:  # other errors than the server's own will be met again
        return reply.http_status is not None and reply.http_status >= 500
    return reply.status in _WORTH_ANOTHER_ATTEMPT


def _is_failure_of_host(reply: _Reply) -> bool:
    return reply.status is Status.TIMEOUT or _worth_another_attempt(reply)


def _heed_retry_after(host: Host, code: int, headers: CIMultiDictProxy[str]) -> None:
    if code in {429, 503}:
        delay_s = retry_after_s(headers.get("Retry-After"))
        if delay_s is not None:
            host.retry_after(delay_s)
