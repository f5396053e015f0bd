"""Scan settings: how a scan of the inbox reaches feeds, and how long it waits for them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.feeds.deliveries import MAX_DELIVERY_ROWS
from catalog.feeds.feed_access import DEFAULT_ACCESS, FeedAccess

MAX_SCAN_S = 15.0  # Dagster gives a sensor a minute; polls that take longer go on between its ticks


def utc_now() -> datetime:
    """Returns the time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class ScanSettings:
    """Settings of a scan of the inbox."""

    max_rows: int = MAX_DELIVERY_ROWS  # of a delivery; bigger feeds are converted to several
    max_scan_s: float | None = None  # after which the remaining feeds are left to the next scan
    access: FeedAccess = DEFAULT_ACCESS  # to feeds at URLs
    clock: Callable[[], datetime] = utc_now
