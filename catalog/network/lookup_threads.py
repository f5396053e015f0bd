"""LookupThreads: looks names up with the system's resolver, each lookup in a thread of its own.

A lookup blocks its thread while the servers of a name are silent, for half a minute or more, and cannot be canceled. In
a pool that others share, such names would leave no thread to them. Here at most `max_lookups` run at once; they delay
only further lookups, and no thread is waited for at the end of the process.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiohttp.abc import AbstractResolver, ResolveResult

SystemLookup = Callable[[str], Sequence[ResolveResult]]


def look_up(host: str) -> list[ResolveResult]:
    """Returns the addresses of a name; raises OSError (`socket.gaierror`) or UnicodeError where it has none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=0,
            family=family,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for family, _, protocol, _, address in found
    ]


class LookupThreads(AbstractResolver):
    """A resolver that runs at most `max_lookups` lookups at once and waits `timeout_s` for each, queueing not counted.

    A lookup that has timed out keeps its thread until the system gives it up.
    """

    def __init__(self, max_lookups: int, timeout_s: float, lookup: SystemLookup = look_up) -> None:
        self._free = asyncio.Semaphore(max_lookups)
        self._timeout_s = timeout_s
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Returns the addresses of a name; raises OSError where it has none or its servers do not respond in time."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[ResolveResult]] = loop.create_future()

        def finish(result: Sequence[ResolveResult] | Exception) -> None:
            self._free.release()
            if found.done():
                return
            if isinstance(result, Exception):
                found.set_exception(result)
            else:
                found.set_result(result)

        def run() -> None:
            try:
                result: Sequence[ResolveResult] | Exception = self._lookup(host)
            except Exception as error:  # raised again in the loop
                result = error
            with suppress(RuntimeError):  # the loop is closed: the download has ended meanwhile
                loop.call_soon_threadsafe(finish, result)

        try:
            threading.Thread(target=run, name=f"lookup-{host[:40]}", daemon=True).start()
        except RuntimeError:  # no thread can be started
            self._free.release()
            raise
        try:
            async with asyncio.timeout(self._timeout_s):
                return [ResolveResult(**{**address, "port": port}) for address in await found]
        except TimeoutError:
            # Not as a TimeoutError, which would count as the request's.
            raise OSError(f"the lookup of {host} took longer than {self._timeout_s:g} s") from None

    async def close(self) -> None:
        """Waits for nothing: threads that still look a name up end by themselves."""
