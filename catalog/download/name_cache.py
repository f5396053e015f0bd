"""NameCache: remembers the addresses of names and the failures of their lookups, and looks each up once at a time.

A link waits for its name before it takes a connection (`prepare`); the client then finds the addresses here. So a name
whose servers are slow delays the links to it, and takes neither a connection nor any of an image's time.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

FRESH_S = 60.0  # after which a name is looked up again before its next request
STALE_S = 1_800.0  # after which its addresses may no longer be used: a link has waited long for its host
MISSING_S = 60.0  # for which a name that does not exist is not looked up again
# Another failure may pass, so the name rests in proportion to the time it took: a name whose servers are silent takes
# at most a tenth of one thread, and one that failed at once is retried at once.
REST_FACTOR = 10.0
MAX_NAMES = 20_000

_MISSING = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


@dataclass(slots=True)
class _Known:
    """The result of a lookup: addresses, or why there are none. Times are those of the loop's clock."""

    addresses: list[ResolveResult]
    problem: Exception | None
    looked_up_at: float
    fresh_until: float


class NameCache(AbstractResolver):
    """A resolver that calls another one at most once at a time for a name, and remembers results and errors."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._running: dict[str, asyncio.Task[_Known]] = {}

    async def prepare(self, host: str) -> None:
        """Waits until the result for a name is known and fresh; what it is matters to `resolve` only."""
        known = self._known.get(host)
        if known is None or _now() >= known.fresh_until:
            await self._looked_up(host)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Returns a name's addresses, another one first each time; raises OSError where its last lookup failed."""
        known = self._known.get(host)
        if known is None or _now() >= max(known.fresh_until, known.looked_up_at + STALE_S):
            known = await self._looked_up(host)
        if known.problem is not None:
            # The number of a `gaierror` is none of the system's.
            number = None if isinstance(known.problem, socket.gaierror) else getattr(known.problem, "errno", None)
            raise OSError(number, f"{host} cannot be resolved: {known.problem}")
        known.addresses.append(known.addresses.pop(0))
        return [ResolveResult(**{**address, "port": port}) for address in known.addresses]

    async def close(self) -> None:
        """Ends the lookups."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._resolver.close()

    async def _looked_up(self, host: str) -> _Known:
        task = self._running.get(host)
        if task is None:
            task = self._running[host] = asyncio.create_task(self._look_up(host))
        return await asyncio.shield(task)  # other links wait for it, too

    async def _look_up(self, host: str) -> _Known:
        started_at = _now()
        addresses: list[ResolveResult] = []
        problem: Exception | None = None
        try:
            addresses = await self._resolver.resolve(host, 0, socket.AF_UNSPEC)
            if not addresses:
                problem = OSError("it has no address")
        except (OSError, UnicodeError) as error:  # a name that cannot be encoded cannot exist
            problem = error.with_traceback(None)
        finally:
            del self._running[host]
        now = _now()
        known = self._known[host] = _Known(addresses, problem, now, now + _fresh_s(problem, now - started_at))
        self._known.move_to_end(host)
        while len(self._known) > MAX_NAMES:
            self._known.popitem(last=False)
        return known


def _fresh_s(problem: Exception | None, took_s: float) -> float:
    if problem is None:
        return FRESH_S
    if isinstance(problem, socket.gaierror) and problem.errno in _MISSING:
        return MISSING_S
    return REST_FACTOR * took_s


def is_name(host: str) -> bool:
    """Returns False for a numeric address, which needs no lookup."""
    return ":" not in host and not host.replace(".", "").isdigit()


def _now() -> float:
    return asyncio.get_running_loop().time()
