"""Sessions: HTTP clients whose every connection passes the guard, that of a redirect, too."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from catalog.network.guards import Guard, GuardedResolver
from catalog.network.lookup_threads import LookupThreads

MAX_LOOKUPS = 32  # of names at once, by one client
LOOKUP_TIMEOUT_S = 30.0


def checked_sockets(guard: Guard) -> Callable[[Any], socket.socket]:
    """Return a factory of a connector's sockets that makes none to an address which the guard refuses."""

    def create(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        guard.check_address(address[0])
        return socket.socket(family=family, type=kind, proto=protocol)

    return create


def guarded_session(
    guard: Guard, timeout: aiohttp.ClientTimeout, *, resolver: AbstractResolver | None = None, **options: Any
) -> aiohttp.ClientSession:
    """Return a client without cookies and proxies that connects to no address which the guard refuses.

    Names are checked as they are resolved, and every address once more as it is connected to: a redirect to a literal
    address is never resolved. Call it in the event loop that uses the session.

    Args:
        guard: the addresses that are allowed.
        timeout: seconds that requests may take.
        resolver: replaces the system's resolution of names, each in a thread of its own.
        options: further ones of `aiohttp.ClientSession`.
    """
    resolver = resolver or LookupThreads(MAX_LOOKUPS, LOOKUP_TIMEOUT_S)
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(guard, resolver), socket_factory=checked_sockets(guard))
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, **options
    )
