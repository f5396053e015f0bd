"""Places: so many at once, given to those who wait by rank, so that work begun first is finished first."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class Places:
    """A semaphore whose free place goes to the lowest rank that waits, in a rank to whoever came first."""

    def __init__(self, num_places: int) -> None:
        self._num_free = num_places
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # rank, arrival, told when it is its turn
        self._arrivals = count()

    @asynccontextmanager
    async def place(self, rank: int) -> AsyncIterator[None]:
        """One place, for as long as the context lasts."""
        await self._take(rank)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, rank: int) -> None:
        if self._num_free:
            self._num_free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the place came at the very moment of giving up
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._num_free += 1
