"""Host limiter: limits the connections and the request rate of each host, and pauses hosts that fail."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fractions import Fraction

from catalog.download.priority_semaphore import PrioritySemaphore


@dataclass(frozen=True, kw_only=True)
class Politeness:
    """The limits that apply to each host separately.

    After `failures_to_pause` failures in a row (refusals, server errors, timeouts, no connection) the host gets no
    request for `pause_s`; then one request probes it, and its success lets the others through. `share` is this
    process's part of limits that several processes keep together; it is never less than one connection.
    """

    max_connections: int = 8
    rate_per_s: float | None = None
    max_retry_after_s: float = 60.0  # a host that requests a longer wait is paused until then
    max_crawl_delay_s: float = 10.0  # of robots.txt, where that is honored
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
        """The connections that this process may have open to the host."""
        return max(1, int(self.max_connections * self.share))

    @property
    def interval_s(self) -> float:
        """The seconds between two requests of this process to the host."""
        return float(1 / self.share) / self.rate_per_s if self.rate_per_s is not None else 0.0


class HostPausedError(Exception):
    """The host has failed too often in a row or has requested a long wait, and gets no request for now."""


class HostLimiter:
    """The state of one host: its free connections, the time of its next request and its failures in a row.

    All times are those of the running event loop's clock.
    """

    def __init__(self, name: str, politeness: Politeness) -> None:
        self.name = name
        self._politeness = politeness
        self._connections = PrioritySemaphore(politeness.num_connections)
        self._next_start = -math.inf
        self._retry_after = -math.inf
        self._paused_until = -math.inf
        self._last_success = -math.inf
        self._num_failures = 0  # since then
        self._probing = False
        self._interval_s = politeness.interval_s

    @asynccontextmanager
    async def slot(self, rank: int = 0) -> AsyncIterator[None]:
        """Waits for a connection, the rate and a Retry-After, then holds the connection; the lowest rank goes first.

        Raises HostPausedError while the host is paused.
        """
        async with self._connections.slot(rank):
            self._refuse_while_paused()
            while (wait_s := max(self._next_start, self._retry_after) - _now()) > 0:
                await asyncio.sleep(wait_s)
                self._refuse_while_paused()
            self._next_start = _now() + self._interval_s
            is_probe = self._probing = self._is_suspect()
            try:
                yield
            finally:
                if is_probe:
                    self._probing = False

    def succeeded(self) -> None:
        """Records a response, be it that there is no such image."""
        self._last_success = _now()
        self._num_failures = 0

    def failed(self, *, started_at: float, is_first_attempt: bool) -> None:
        """Records a refusal, server error, timeout or missing connection of a request that started then.

        Only the first attempt at an image counts, and no request that started before the last success: a few broken
        images in a row do not pause a healthy host.
        """
        if is_first_attempt and self._last_success < started_at:
            self._num_failures += 1
        if self._is_suspect():
            self._paused_until = max(self._paused_until, _now() + self._politeness.pause_s)

    def retry_after(self, delay_s: float) -> None:
        """Delays the next request as the host's Retry-After header requests, or pauses the host if that is long."""
        until = _now() + delay_s
        if delay_s <= self._politeness.max_retry_after_s:
            self._retry_after = max(self._retry_after, until)
        else:
            self._paused_until = max(self._paused_until, until)

    def slow_down(self, interval_s: float) -> None:
        """Raises the seconds between two requests, up to `max_crawl_delay_s`."""
        delay_s = min(interval_s, self._politeness.max_crawl_delay_s) if interval_s > 0 else 0.0  # nan is no delay
        self._interval_s = max(self._interval_s, delay_s / self._politeness.share)

    def _is_suspect(self) -> bool:
        return self._num_failures >= self._politeness.failures_to_pause

    def _refuse_while_paused(self) -> None:
        if self._probing or _now() < self._paused_until:
            raise HostPausedError(self.name)


class HostLimiters:
    """A limiter per host, created at its first request; a host is a name (or address) and a port.

    `limits` has the limits of single hosts by name, whatever the port.
    """

    def __init__(self, politeness: Politeness, limits: Mapping[str, Politeness] | None = None) -> None:
        self._politeness = politeness
        self._limits = limits or {}
        self._hosts: dict[str, HostLimiter] = {}

    def __getitem__(self, name: str) -> HostLimiter:
        host = self._hosts.get(name)
        if host is None:
            politeness = self._limits.get(name.rpartition(":")[0], self._politeness)
            host = self._hosts[name] = HostLimiter(name, politeness)
        return host


def retry_after_s(header: str | None) -> float | None:
    """Parses a Retry-After header, a number or a date, into seconds from now; None where it is missing or invalid."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except Exception:  # ValueError is documented; OverflowError and others come from numbers and fields that are absurd
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()
