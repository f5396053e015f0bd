"""Outboxes: a stream out of an event loop into another thread, that holds up the loop when nobody takes it."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Outbox(Generic[T]):
    """Items on their way from a download to a consumer; while they are more than `max_bytes`, `room` is cleared.

    Made and filled within a running loop by `fill`, emptied by `batches` in another thread.
    """

    def __init__(self, num_bytes: Callable[[T], int], *, max_bytes: int, max_items: int) -> None:
        self._num_bytes_of = num_bytes
        self._max_bytes, self._max_items = max_bytes, max_items
        self._waiting: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._num_bytes = 0  # counted in the loop only
        self._error: BaseException | None = None
        self.room = asyncio.Event()
        self.room.set()

    def put(self, item: T) -> None:
        """Called within the loop, by what fills it."""
        self._count(self._num_bytes_of(item))
        self._waiting.put(item)

    def batches(self, fill: Callable[[Outbox[T]], Coroutine[None, None, None]]) -> Iterator[list[T]]:
        """What `fill` puts while it runs in a thread and a loop of its own, as many at a time as wait.

        Raises what `fill` raises, once all that it put was taken. A consumer that stops cancels it.
        """
        loop = asyncio.new_event_loop()
        filling = loop.create_task(fill(self))
        thread = threading.Thread(target=self._run, args=(loop, filling), name="outbox", daemon=True)
        thread.start()
        try:
            while items := self._take():
                yield items
                loop.call_soon_threadsafe(self._count, -sum(map(self._num_bytes_of, items)))
            if self._error is not None:
                raise self._error
        finally:
            loop.call_soon_threadsafe(filling.cancel)
            thread.join()
            loop.close()

    def _run(self, loop: asyncio.AbstractEventLoop, filling: asyncio.Task[None]) -> None:
        try:
            loop.run_until_complete(filling)
        except BaseException as error:  # raised again in the consumer's thread
            self._error = error
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            self._waiting.put(None)

    def _take(self) -> list[T]:
        """What waits, one item at least; nothing at the end."""
        items: list[T] = []
        while (item := self._waiting.get()) is not None:
            items.append(item)
            if len(items) == self._max_items or self._waiting.empty():
                return items
        if items:
            self._waiting.put(None)  # the end is told again behind them
        return items

    def _count(self, num_bytes: int) -> None:
        self._num_bytes += num_bytes
        if self._num_bytes < self._max_bytes:
            self.room.set()
        else:
            self.room.clear()
