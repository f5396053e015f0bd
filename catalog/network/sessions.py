"""Sessions: HTTP clients whose every connection passes the guard, that of a redirect, too."""

from __future__ import annotations

import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from catalog.network.guards import Guard, GuardedResolver


def guarded_session(
    guard: Guard, timeout: aiohttp.ClientTimeout, *, resolver: AbstractResolver | None = None, **options: Any
) -> aiohttp.ClientSession:
    """Return a client without cookies and proxies that connects to no address which the guard refuses.

    Names are checked as they are resolved, and every address once more as it is connected to: a redirect to a literal
    address is never resolved. Call it in the event loop that uses the session.

    Args:
        guard: the addresses that are allowed.
        timeout: seconds that requests may take.
        resolver: replaces the system's resolution of names.
        options: further ones of `aiohttp.ClientSession`.
    """

    def checked_socket(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        guard.check_address(address[0])
        return socket.socket(family=family, type=kind, proto=protocol)

    connector = aiohttp.TCPConnector(resolver=GuardedResolver(guard, resolver), socket_factory=checked_socket)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, **options
    )
