"""Polls of feeds: each in a thread of its own, so that a feed which takes long delays neither the others nor a tick.

A poll that does not end within a tick of the sensor goes on, and a later tick of this process collects its result.
Threads are daemons: a process ends without waiting for them, and what they wrote until then is discarded or complete.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MAX_AT_ONCE = 16

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Poll(Generic[T]):
    """A poll of a feed: after `max_s` it counts as hanging, and takes no other's place; None: it may take any time."""

    name: str
    run: Callable[[], T]
    max_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Started(Generic[T]):
    """A poll that is in progress, or whose result nobody has collected yet."""

    future: "Future[T]"
    max_s: float
    started_s: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        return self.started_s + self.max_s - time.monotonic()

    @property
    def is_going(self) -> bool:
        return not self.future.done() and self.left_s > 0


class FeedPoller(Generic[T]):
    """The polls of this process, at most `max_at_once` of them in progress, one a name."""

    def __init__(self, max_at_once: int = MAX_AT_ONCE) -> None:
        self._max_at_once = max_at_once
        self._started: dict[str, _Started[T]] = {}
        self._lock = threading.Lock()

    def collect(self, polls: Sequence[Poll[T]], max_s: float | None = None) -> "dict[str, Future[T] | float]":
        """Start polls in their order, and collect those that end in time, of those started before, too.

        Args:
            polls: those that are wanted; one that is in progress by its name is joined.
            max_s: seconds to wait for them; None: until all of them have ended or hang.

        Returns:
            For each name the ended poll or, of one in progress, the seconds that it took so far. Those that could not
            be started yet are missing.
        """
        deadline = math.inf if max_s is None else time.monotonic() + max_s
        waiting, joined = deque(polls), dict[str, _Started[T]]()
        while True:
            with self._lock:
                while waiting and (started := self._joined(waiting[0], deadline)) is not None:
                    joined[waiting.popleft().name] = started
                going = self._going()  # those of others, too, since each that ends makes room
            left_s = min([deadline - time.monotonic(), *(each.left_s for each in going)])
            if deadline <= time.monotonic() or not (waiting or any(each.is_going for each in joined.values())):
                break
            wait([each.future for each in going], None if left_s == math.inf else max(left_s, 0.0), FIRST_COMPLETED)
        return self._collected(joined)

    def _going(self) -> list[_Started[T]]:
        return [each for each in self._started.values() if each.is_going]

    def _joined(self, poll: Poll[T], deadline: float) -> _Started[T] | None:
        """Returns the poll in progress, started now where there is room and time for it."""
        if poll.name in self._started:
            return self._started[poll.name]
        if len(self._going()) >= self._max_at_once or time.monotonic() >= deadline:
            return None
        started = _Started[T](future=Future(), max_s=math.inf if poll.max_s is None else poll.max_s)
        self._started[poll.name] = started
        threading.Thread(target=_run, args=(poll, started.future), name=f"poll of {poll.name}", daemon=True).start()
        return started

    def _collected(self, joined: dict[str, _Started[T]]) -> "dict[str, Future[T] | float]":
        with self._lock:
            for name, each in joined.items():
                if each.future.done() and self._started.get(name) is each:
                    del self._started[name]
        now = time.monotonic()
        return {name: each.future if each.future.done() else now - each.started_s for name, each in joined.items()}


def _run(poll: Poll[T], future: "Future[T]") -> None:
    try:
        future.set_result(poll.run())
    except BaseException as error:  # panics of libraries in Rust are no Exceptions
        future.set_exception(error)
