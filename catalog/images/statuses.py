"""Statuses: the ways in which an image's download can end. Nothing heavy is imported here: decoders start with it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """The end of a download; `retryable` where a later download may end differently."""

    OK = "ok"
    INVALID_URL = "invalid_url"
    BLOCKED_ADDRESS = "blocked_address"
    DNS_ERROR = "dns_error"
    CONNECT_ERROR = "connect_error"
    TIMEOUT = "timeout"
    HTTP_ERROR = "http_error"
    GONE = "gone"
    REDIRECTED_HOME = "redirected_home"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    NOT_AN_IMAGE = "not_an_image"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    CORRUPT = "corrupt"
    SINGLE_COLOR = "single_color"  # decoded, to one flat color: nothing is on it
    HOST_REFUSED = "host_refused"
    HOST_PAUSED = "host_paused"
    DISALLOWED = "disallowed"
    INTERNAL_ERROR = "internal_error"  # an error that the download does not foresee; it ends this link only

    @property
    def retryable(self) -> bool:
        return self in RETRYABLE


UNREACHED = frozenset({Status.DNS_ERROR, Status.CONNECT_ERROR, Status.TIMEOUT, Status.HTTP_ERROR})
REFUSED = frozenset({Status.HOST_REFUSED, Status.HOST_PAUSED, Status.DISALLOWED})
RETRYABLE = UNREACHED | {Status.HOST_REFUSED, Status.HOST_PAUSED, Status.INTERNAL_ERROR}
FINAL = frozenset(Status) - RETRYABLE


def values(statuses: Iterable[Status]) -> list[str]:
    """Returns the statuses as they stand in a column."""
    return sorted(status.value for status in statuses)
