"""Politeness: how hard one host may be pressed, and when it is left alone for a while."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fractions import Fraction

from catalog.images.places import Places


@dataclass(frozen=True, kw_only=True)
class Politeness:
    """The limits that hold for each host by itself.

    After `failures_to_pause` failures in a row (refusals, errors of the server, timeouts, no connection) the
    host is left alone for `pause_s`; then one request probes it, and its success lets the others through.
    Of limits that several processes keep together, `share` is this one's part; it is never less than one connection.
    """

    max_connections: int = 8
    rate_per_s: float | None = None
    max_retry_after_s: float = 60.0  # a host that asks for a longer wait is left alone until then
    max_crawl_delay_s: float = 10.0  # of robots.txt, where that is honoured
    failures_to_pause: int = 20
    pause_s: float = 30.0
    share: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.max_connections < 1 or self.failures_to_pause < 1:
            raise ValueError(f"max_connections and failures_to_pause must be at least 1: {self}")
        if self.rate_per_s is not None and self.rate_per_s <= 0:
            raise ValueError(f"rate_per_s must be positive, or None for no limit: {self.rate_per_s}")
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be a part of the limits, above 0 and at most 1: {self.share}")

    @property
    def num_connections(self) -> int:
        """The connections that this process may hold open to the host."""
        return max(1, int(self.max_connections * self.share))

    @property
    def interval_s(self) -> float:
        """The seconds between two requests of this process to the host."""
        return float(1 / self.share) / self.rate_per_s if self.rate_per_s is not None else 0.0


class HostPausedError(Exception):
    """The host has failed too often in a row, or has asked to be left alone, and is not asked for now."""


class Host:
    """The state of one host: its free connections, its next free moment and its run of failures."""

    def __init__(self, name: str, politeness: Politeness) -> None:
        self.name = name
        self._politeness = politeness
        self._connections = Places(politeness.num_connections)
        self._next_start = -math.inf  # on the clock of time.monotonic, as all moments here
        self._retry_after = -math.inf
        self._paused_until = -math.inf
        self._last_success = -math.inf
        self._num_failures = 0  # since then
        self._probing = False
        self._interval_s = politeness.interval_s

    @asynccontextmanager
    async def turn(self, rank: int = 0) -> AsyncIterator[None]:
        """One request's turn: waits for a connection, the rate and a Retry-After; the lowest rank goes first.

        Raises HostPausedError where the host is to be left alone.
        """
        async with self._connections.place(rank):
            self._refuse_while_paused()
            while (wait_s := self._wait_s()) > 0:
                await asyncio.sleep(wait_s)
                self._refuse_while_paused()
            self._next_start = time.monotonic() + self._interval_s
            is_probe = self._probing = self._is_suspect()
            try:
                yield
            finally:
                if is_probe:
                    self._probing = False

    def succeeded(self) -> None:
        """The host has answered, be it that it has no such picture."""
        self._last_success = time.monotonic()
        self._num_failures = 0

    def failed(self, *, asked_at: float, is_first_attempt: bool) -> None:
        """The host has refused, erred, stalled or not been reached, for a request of that moment.

        It counts against the host where it is news: a picture's further attempts are not, nor is one that
        stalled while others were served. A few broken pictures in a row do not pause a shop that is well.
        """
        if is_first_attempt and self._last_success < asked_at:
            self._num_failures += 1
        if self._is_suspect():
            self._paused_until = max(self._paused_until, time.monotonic() + self._politeness.pause_s)

    def retry_after(self, delay_s: float) -> None:
        """The host has asked not to be asked again for so long."""
        until = time.monotonic() + delay_s
        if delay_s <= self._politeness.max_retry_after_s:
            self._retry_after = max(self._retry_after, until)
        else:
            self._paused_until = max(self._paused_until, until)

    def slow_down(self, interval_s: float) -> None:
        """The host wants so much time between two requests, as far as `max_crawl_delay_s` goes."""
        delay_s = min(interval_s, self._politeness.max_crawl_delay_s)
        self._interval_s = max(self._interval_s, delay_s / self._politeness.share)

    def _is_suspect(self) -> bool:
        return self._num_failures >= self._politeness.failures_to_pause

    def _refuse_while_paused(self) -> None:
        if self._probing or time.monotonic() < self._paused_until:
            raise HostPausedError(self.name)

    def _wait_s(self) -> float:
        return max(self._next_start, self._retry_after) - time.monotonic()


class Hosts:
    """The hosts met so far, each with its own state; a host is a name (or address) and a port.

    `limits` has what is agreed with single hosts, by name, whatever the port.
    """

    def __init__(self, politeness: Politeness, limits: Mapping[str, Politeness] | None = None) -> None:
        self._politeness = politeness
        self._limits = limits or {}
        self._hosts: dict[str, Host] = {}

    def __getitem__(self, name: str) -> Host:
        host = self._hosts.get(name)
        if host is None:
            politeness = self._limits.get(name.rpartition(":")[0], self._politeness)
            host = self._hosts[name] = Host(name, politeness)
        return host


def retry_after_s(header: str | None) -> float | None:
    """The seconds a Retry-After header asks for, as a number or as a date; None where it makes no sense."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
