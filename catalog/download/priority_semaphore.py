"""PrioritySemaphore: a semaphore whose slots go to waiters by rank, so that work begun first is finished first."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class PrioritySemaphore:
    """A semaphore whose free slot goes to the waiter with the lowest rank, and within a rank to the earliest."""

    def __init__(self, num_slots: int) -> None:
        self._num_free = num_slots
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # rank, arrival, done when the slot is free
        self._arrivals = count()

    @asynccontextmanager
    async def slot(self, rank: int) -> AsyncIterator[None]:
        """Waits for a slot and holds it for as long as the context lasts."""
        await self._acquire(rank)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, rank: int) -> None:
        if self._num_free:
            self._num_free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the slot came at the moment of the cancellation
                self._release()
            raise

    def _release(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._num_free += 1
