"""CappedConnector: keeps a limited number of idle connections open, and closes the one that is idle for longest first.

aiohttp limits the connections in use, and keeps any number of idle ones for 15 seconds: hosts by the thousand would
take all descriptors of the process. It has no public hook for it; `tests/catalog/download/test_connections.py` holds
these overrides to real sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import AbstractResolver

from catalog.network.guards import Guard
from catalog.network.sessions import checked_sockets

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class CappedConnector(aiohttp.TCPConnector):
    """A connector with at most `max_idle` idle connections over all hosts; the caller limits those in use."""

    def __init__(self, max_idle: int, guard: Guard, resolver: AbstractResolver) -> None:
        # `resolver` caches: addresses are checked each time that they are used.
        super().__init__(limit=0, resolver=resolver, use_dns_cache=False, socket_factory=checked_sockets(guard))
        self._max_idle = max_idle
        self._idle: dict[ResponseHandler, ConnectionKey] = {}  # the longest idle first

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        connection = await super()._get(key, traces)
        if connection is not None and connection.protocol is not None:
            self._idle.pop(connection.protocol, None)
        return connection

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        should_close = should_close or protocol.should_close
        if key.is_ssl and should_close:
            # Closing in good order waits half a minute for a host that never confirms it, and keeps the descriptor.
            protocol.abort()
        super()._release(key, protocol, should_close=should_close)
        kept = self._conns.get(key)
        if not kept or kept[-1][0] is not protocol:
            return
        self._idle[protocol] = key
        while len(self._idle) > self._max_idle:
            self._close_longest_idle()

    def _close_longest_idle(self) -> None:
        protocol = next(iter(self._idle))
        key = self._idle.pop(protocol)
        kept = self._conns.get(key)
        for entry in kept or ():
            if entry[0] is protocol:
                kept.remove(entry)  # type: ignore[union-attr] # it is not None where it has an entry
                break
        if kept is not None and not kept:
            del self._conns[key]
        protocol.abort()
