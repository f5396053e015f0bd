"""BoundedStream: passes items from an event loop to another thread and slows the loop down when they pile up."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedStream(Generic[T]):
    """Items between a producer in an event loop and a consumer; `room` is cleared while `max_bytes` or more wait.

    The producer fills it by `put`; the consumer iterates over `batches` in its own thread.
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
        """Adds an item; call it within the producer's loop."""
        self._count(self._num_bytes_of(item))
        self._waiting.put(item)

    def batches(
        self,
        produce: Callable[[BoundedStream[T]], Coroutine[None, None, None]],
        on_unread: Callable[[list[T]], None] | None = None,
    ) -> Iterator[list[T]]:
        """Runs `produce` in a thread and a loop of its own and yields the items that wait, up to `max_items` at a time.

        Raises what `produce` raises, after all items that it has put. Closing the iterator cancels it; `on_unread` then
        receives the items that were put and never yielded.
        """
        loop = asyncio.new_event_loop()
        producer = loop.create_task(produce(self))
        thread = threading.Thread(target=self._run, args=(loop, producer), name="bounded-stream", daemon=True)
        thread.start()
        try:
            while items := self._take():
                yield items
                loop.call_soon_threadsafe(self._count, -sum(map(self._num_bytes_of, items)))
            if self._error is not None:
                raise self._error
        finally:
            loop.call_soon_threadsafe(producer.cancel)
            thread.join()
            loop.close()
            if on_unread is not None and (unread := self._unread()):
                on_unread(unread)

    def _unread(self) -> list[T]:
        items: list[T] = []
        while not self._waiting.empty():
            if (item := self._waiting.get()) is not None:
                items.append(item)
        return items

    def _run(self, loop: asyncio.AbstractEventLoop, producer: asyncio.Task[None]) -> None:
        try:
            loop.run_until_complete(producer)
        except BaseException as error:  # raised again in the consumer's thread
            self._error = error
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            self._waiting.put(None)

    def _take(self) -> list[T]:
        """Waits for an item and returns it with those behind it; an empty list at the end."""
        items: list[T] = []
        while (item := self._waiting.get()) is not None:
            items.append(item)
            if len(items) == self._max_items or self._waiting.empty():
                return items
        if items:
            self._waiting.put(None)  # for the next call
        return items

    def _count(self, num_bytes: int) -> None:
        self._num_bytes += num_bytes
        if self._num_bytes < self._max_bytes:
            self.room.set()
        else:
            self.room.clear()
