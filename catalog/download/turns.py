"""Turns: a request starts when its host and the machine have a free connection and the caller can take its bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from catalog.download.host_limiter import HostLimiter
from catalog.download.priority_semaphore import PrioritySemaphore


class Turns:
    """Slots of hosts and of the machine; no turn begins unless all `gates` are set."""

    def __init__(self, max_connections: int, gates: Sequence[asyncio.Event]) -> None:
        self._connections = PrioritySemaphore(max_connections)
        self._gates = gates

    @asynccontextmanager
    async def turn(
        self, host: HostLimiter, rank: int, prepare: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncIterator[None]:
        """Waits for a turn and holds its slots; raises HostPausedError while the host is paused.

        `prepare` is awaited with the host's slot only: it may take long and delays no other host.
        """
        # The host first: a request that waits for a slow host must not keep a connection from the others.
        async with host.slot(rank):
            if prepare is not None:
                await prepare()
            async with self._connections.slot(rank):
                while not all(gate.is_set() for gate in self._gates):  # at the same moment
                    for gate in self._gates:
                        await gate.wait()
                yield
