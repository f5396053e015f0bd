"""HTTP files: fsspec's file system of http and https behind the guard, also where another file system is over it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import aiohttp
import fsspec
from fsspec.core import split_protocol, url_to_fs
from fsspec.implementations.http import HTTPFileSystem

from catalog.network.guards import Guard
from catalog.network.sessions import guarded_session

PROTOCOLS = ("http", "https")
TIMEOUT_S = 600.0  # of one request
NO_LIMITS: Mapping[str, float] = MappingProxyType({})
IDLE_S = 30.0  # without a byte; also the limit for the headers of a file's version


class GuardedHTTPFileSystem(HTTPFileSystem):  # type: ignore[misc]
    """Files of web servers; no request and no redirect reaches an address that is neither public nor allowed.

    Args:
        allowed_networks: networks or addresses that are allowed though they are not public.
        timeout_s: seconds that one request may take, its redirects and its body included.
        idle_s: seconds without a byte after which a request fails; also the limit for a file's headers.
    """

    def __init__(
        self,
        *,
        allowed_networks: Sequence[str] = (),
        timeout_s: float = TIMEOUT_S,
        idle_s: float = IDLE_S,
        **options: Any,
    ) -> None:
        guard = Guard.allowing(tuple(allowed_networks))
        limits = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(idle_s, timeout_s), sock_read=idle_s)
        super().__init__(get_client=partial(_session, guard, limits), **options)
        self._headers_s = min(idle_s, timeout_s)

    async def _info(self, url: str, **kwargs: Any) -> dict[str, Any]:
        async with asyncio.timeout(self._headers_s):  # it may take two requests, and each any number of redirects
            return dict(await super()._info(url, **kwargs))


def open_filesystem(
    url: str, allowed_networks: Sequence[str] = (), http_limits: Mapping[str, float] = NO_LIMITS, **options: Any
) -> tuple[Any, str]:
    """Return the file system of an fsspec URL and the path in it; requests of http and https pass the guard.

    Args:
        url: of any protocol, or a chain such as `simplecache::https://shop/feed.tsv`.
        allowed_networks: networks or addresses that are allowed though they are not public.
        http_limits: `timeout_s` and `idle_s` of `GuardedHTTPFileSystem`, where they are not its own.
        options: of the file system of the URL's protocol.

    Raises:
        ValueError: the protocol is unknown.
        ImportError: its package is not installed.
    """
    guard_fsspec()
    http = {"allowed_networks": tuple(allowed_networks), **http_limits}
    links = url.split("::")  # of the chain; fsspec gives options of a protocol that none has to the first of them
    used = [protocol for protocol in PROTOCOLS if any(link.startswith(f"{protocol}://") for link in links)]
    filesystem, path = url_to_fs(url, **options, **{protocol: dict(http) for protocol in used})
    return filesystem, path


def check_protocols(url: str) -> None:
    """Check that the file systems of an fsspec URL, or of a chain, are installed; none of them is opened.

    Raises:
        ValueError: a protocol is unknown.
        ImportError: its package is not installed.
    """
    for link in url.split("::"):
        fsspec.get_filesystem_class(split_protocol(link)[0] or link)


def guard_fsspec() -> None:
    """Make the guarded file system the one that fsspec has for http and https in this process; done again, nothing."""
    for protocol in PROTOCOLS:
        if fsspec.registry.get(protocol) is not GuardedHTTPFileSystem:
            fsspec.register_implementation(protocol, GuardedHTTPFileSystem, clobber=True)


async def _session(guard: Guard, limits: aiohttp.ClientTimeout, **options: Any) -> aiohttp.ClientSession:
    options.pop("loop", None)  # it runs in that loop
    # The bytes are the file's, so no server is invited to compress them.
    return guarded_session(guard, limits, **{"headers": {"Accept-Encoding": "identity"}, **options})
