"""Fetcher: fetches the bytes behind a link, or returns the status that explains why there are none.

Links of http and https are requested here; links below image roots are read by `catalog.download.file_fetching`.
"""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDictProxy
from yarl import URL

from catalog.download.connections import CappedConnector
from catalog.download.descriptors import DescriptorBudget
from catalog.download.fetched import UNKNOWN, Fetched, Validators
from catalog.download.file_fetching import FileFetcher
from catalog.download.host_limiter import HostLimiter, HostLimiters, HostPausedError, retry_after_s
from catalog.download.image_roots import is_web_link
from catalog.download.name_cache import NameCache, is_name
from catalog.download.robots import Robots, RobotsReply, tag_refuses
from catalog.download.settings import FetchSettings
from catalog.download.turns import Turns
from catalog.download.unforeseen import log_unforeseen
from catalog.images.statuses import Status
from catalog.network.guards import BlockedAddressError, Guard, GuardedResolver, InvalidUrlError
from catalog.network.lookup_threads import LookupThreads

HOME_PATHS = frozenset({"", "/", "/index.html"})

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_REFUSED = frozenset({403, 429})
# Retried within the same download. Of timeouts only those of a connection are: see `_Reply.is_unconnected`.
_WORTH_ANOTHER_ATTEMPT = frozenset({Status.CONNECT_ERROR, Status.DNS_ERROR, Status.HTTP_ERROR, Status.HOST_REFUSED})
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})  # of this machine, not of a host
# The first class that matches counts.
_STATUS_OF_ERROR = (
    (BlockedAddressError, Status.BLOCKED_ADDRESS),
    (TimeoutError, Status.TIMEOUT),  # ours, and aiohttp's for connecting and for idling
    (aiohttp.ClientConnectorDNSError, Status.DNS_ERROR),
    (aiohttp.InvalidURL, Status.INVALID_URL),
    (aiohttp.ClientResponseError, Status.HTTP_ERROR),  # a response that is not HTTP, headers that are too long
    (aiohttp.ClientError, Status.CONNECT_ERROR),  # bad TLS, truncated body
    (OSError, Status.CONNECT_ERROR),  # refused, reset
)
_MAX_LENGTH_DIGITS = 18  # of a Content-Length; more of them are too many bytes in any case


@dataclass(frozen=True, slots=True)
class _Reply:
    """The response to one request: a status, or for a redirect its target.

    A request that timed out before it was connected (`is_unconnected`) is worth another attempt: a lost packet
    suffices for it. A server that is connected and silent has used up the image's time.
    """

    status: Status
    http_status: int | None = None
    data: bytes | None = None
    location: str | None = None
    validators: Validators = UNKNOWN
    is_unconnected: bool = False


@dataclass(slots=True)
class _Fetch:
    """The state of fetching one image."""

    link: URL
    rank: int
    left_s: float
    url: URL  # of the current hop
    known: Validators = UNKNOWN
    robots: Robots | None = None  # the rules that apply; none for a robots.txt itself
    attempts: int = 0  # that have reached their host, or tried to


class Fetcher:
    """A client for images: keeps to the limits of every host and refuses private addresses.

    Use as an async context manager. No request starts unless all `gates` are set: back pressure for a caller that
    cannot take more bytes. `resolver` replaces the system's resolution of names.
    """

    def __init__(
        self,
        settings: FetchSettings,
        *,
        gates: Sequence[asyncio.Event] = (),
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._settings = settings
        budget = DescriptorBudget.of(settings.max_connections)
        self._guard = Guard.allowing(settings.allowed_networks)
        self._hosts = HostLimiters(settings.politeness, settings.host_limits)
        self._turns = Turns(budget.connections, gates)
        self._names = NameCache(resolver or LookupThreads(budget.lookups, settings.timeout_s))
        has_roots = bool(settings.image_roots or settings.parts)
        self._files = FileFetcher(settings, self._hosts, self._turns) if has_roots else None
        self._robots = Robots(self._fetch_robots, self._slow_down) if settings.honor_robots else None
        self._session = aiohttp.ClientSession(
            # Turns limit the connections in use: waiting for one takes none of an image's time.
            connector=CappedConnector(budget.idle, self._guard, GuardedResolver(self._guard, self._names)),
            cookie_jar=aiohttp.DummyCookieJar(),
            # A compressed body would hide its size.
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
        await self._names.close()
        if self._files is not None:
            self._files.close()

    async def fetch(self, url: str, rank: int = 0, known: Validators | None = None) -> Fetched:
        """Fetches the bytes of an image, with retries; never raises for a link.

        Args:
            url: the link, as a feed has it.
            rank: where several wait for the same host, or for one of the `max_connections`, the lowest goes first.
            known: fetches the bytes only if the image is no longer this version.

        Returns:
            What the link led to; an error that nobody foresaw is the status INTERNAL_ERROR.
        """
        try:
            return await self._fetch(url, rank, known)
        except Exception as error:
            log_unforeseen("fetching", url, error)
            return Fetched(status=Status.INTERNAL_ERROR, attempts=1)

    async def _fetch(self, url: str, rank: int, known: Validators | None) -> Fetched:
        if self._files is not None and not is_web_link(url):
            return await self._files.fetch(url, rank, known)
        try:
            link = self._guard.check_url(url)
        except InvalidUrlError:
            return Fetched(status=Status.INVALID_URL)
        except BlockedAddressError:
            return Fetched(status=Status.BLOCKED_ADDRESS)
        settings = self._settings
        fetch = _Fetch(link, rank, settings.timeout_s, link, known or UNKNOWN, self._robots)
        reply = await self._follow(fetch)
        # Without an attempt of its own the link waits for rules that cannot be fetched now; a retry would not help.
        while 0 < fetch.attempts < settings.max_attempts and fetch.left_s > 0 and _worth_another_attempt(reply):
            backoff_s = settings.backoff_s * 2 ** (fetch.attempts - 1)
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.5))  # noqa: S311 no secret
            retry = await self._follow(fetch)
            if retry.status is Status.HOST_PAUSED:  # the result of the last attempt stays
                break
            reply = retry
        return Fetched(
            status=reply.status,
            data=reply.data,
            validators=reply.validators,
            http_status=reply.http_status,
            final_url=str(fetch.url) if fetch.url != link else None,
            attempts=fetch.attempts,
            duration_ms=(settings.timeout_s - fetch.left_s) * 1000,
        )

    async def _follow(self, fetch: _Fetch) -> _Reply:
        """Makes one attempt: the link and its redirects, every hop checked like a link of its own."""
        fetch.url = fetch.link
        for hop in range(self._settings.max_redirects + 1):
            if fetch.robots is not None and (refusal := await fetch.robots.refusal(fetch.url)):
                return _Reply(refusal)
            reply = await self._request_in_turn(fetch, is_first_hop=hop == 0)
            if reply.location is None:
                return reply
            try:
                target = fetch.url.join(URL(reply.location))
                fetch.url = self._guard.check_url(target)
            except BlockedAddressError:
                return _Reply(Status.BLOCKED_ADDRESS, reply.http_status)
            except ValueError:  # InvalidUrlError among them: file://, credentials, nonsense
                return _Reply(Status.INVALID_URL, reply.http_status)
            if fetch.url.path in HOME_PATHS and fetch.link.path not in HOME_PATHS:
                return _Reply(Status.REDIRECTED_HOME, reply.http_status)
        return _Reply(Status.TOO_MANY_REDIRECTS, reply.http_status)

    async def _request_in_turn(self, fetch: _Fetch, *, is_first_hop: bool) -> _Reply:
        """Sends one request when its host and the machine have a free connection, and records its result."""
        host, name = self._host(fetch.url), fetch.url.raw_host or ""
        prepare = partial(self._names.prepare, name) if is_name(name) else None
        try:
            async with self._turns.turn(host, fetch.rank, prepare):
                fetch.attempts += is_first_hop
                started_at = asyncio.get_running_loop().time()
                reply = await self._request_in_time(fetch, host)
                fetch.left_s -= asyncio.get_running_loop().time() - started_at
                if _is_failure_of_host(reply):
                    host.failed(started_at=started_at, is_first_attempt=fetch.attempts == 1)
                elif reply.status is not Status.INTERNAL_ERROR:  # which says nothing about the host
                    host.succeeded()
                return reply
        except HostPausedError:
            return _Reply(Status.HOST_PAUSED)

    async def _request_in_time(self, fetch: _Fetch, host: HostLimiter) -> _Reply:
        try:
            async with asyncio.timeout(max(0.0, fetch.left_s)):
                return await self._request(fetch, host)
        except (BlockedAddressError, aiohttp.ClientError, OSError) as error:
            if isinstance(error, OSError) and error.errno in _SHORTAGES:
                log_unforeseen("connecting to", host.name, error)
                return _Reply(Status.INTERNAL_ERROR)
            status = next(status for kind, status in _STATUS_OF_ERROR if isinstance(error, kind))
            return _Reply(status, is_unconnected=isinstance(error, aiohttp.ConnectionTimeoutError))

    async def _request(self, fetch: _Fetch, host: HostLimiter) -> _Reply:
        conditions = fetch.known.headers()
        async with self._session.get(fetch.url, allow_redirects=False, headers=conditions) as response:
            code = response.status
            if fetch.robots is not None and tag_refuses(response.headers.getall("X-Robots-Tag", ())):
                response.close()  # before any of the body is read
                return _Reply(Status.DISALLOWED, code)
            if code == 200:
                return await self._body(response)
            if code == 304 and conditions:
                return _Reply(Status.OK, code, validators=fetch.known)
            location = response.headers.get("Location")
            if code in _REDIRECTS and location is not None:
                return _Reply(Status.OK, code, location=location)
            if code in _GONE:
                return _Reply(Status.GONE, code)
            _heed_retry_after(host, code, response.headers)
            return _Reply(Status.HOST_REFUSED if code in _REFUSED else Status.HTTP_ERROR, code)

    async def _body(self, response: aiohttp.ClientResponse) -> _Reply:
        max_bytes = self._settings.max_bytes
        declared = response.headers.get("Content-Length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:_MAX_LENGTH_DIGITS]) > max_bytes:
            response.close()
            return _Reply(Status.TOO_LARGE, response.status)
        chunks: list[bytes] = []
        num_bytes = 0
        async for chunk in response.content.iter_any():
            num_bytes += len(chunk)
            if num_bytes > max_bytes:
                response.close()  # closing the connection costs less than reading the rest
                return _Reply(Status.TOO_LARGE, response.status)
            chunks.append(chunk)
        validators = Validators(response.headers.get("ETag"), response.headers.get("Last-Modified"))
        return _Reply(Status.OK, response.status, data=b"".join(chunks), validators=validators)

    async def _fetch_robots(self, url: URL) -> RobotsReply:
        fetch = _Fetch(url, 0, self._settings.timeout_s, url)
        reply = await self._follow(fetch)
        return RobotsReply(reply.status, reply.http_status, (reply.data or b"").decode("utf-8", errors="replace"))

    def _slow_down(self, origin: URL, delay_s: float) -> None:
        self._host(origin).slow_down(delay_s)

    def _host(self, url: URL) -> HostLimiter:
        return self._hosts[f"{url.raw_host}:{url.port}"]


def _worth_another_attempt(reply: _Reply) -> bool:
    """Returns whether the next attempt may end differently; an internal error is a shortage of this machine here."""
    return reply.status is Status.INTERNAL_ERROR or _is_temporary(reply)


def _is_temporary(reply: _Reply) -> bool:
    if reply.status is Status.HTTP_ERROR:  # errors that are not the server's own happen again
        return reply.http_status is not None and reply.http_status >= 500
    return reply.status in _WORTH_ANOTHER_ATTEMPT or reply.is_unconnected


def _is_failure_of_host(reply: _Reply) -> bool:
    return reply.status is Status.TIMEOUT or _is_temporary(reply)


def _heed_retry_after(host: HostLimiter, code: int, headers: CIMultiDictProxy[str]) -> None:
    if code in {429, 503}:
        delay_s = retry_after_s(headers.get("Retry-After"))
        if delay_s is not None:
            host.retry_after(delay_s)
