"""Statuses: the ways in which a picture's download can end. Nothing heavy is imported here: decoders start with it."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How a download ended; `retryable` says whether asking again later may end differently."""

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
    HOST_REFUSED = "host_refused"
    HOST_PAUSED = "host_paused"
    DISALLOWED = "disallowed"

    @property
    def retryable(self) -> bool:
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {
        Status.DNS_ERROR,
        Status.CONNECT_ERROR,
        Status.TIMEOUT,
        Status.HTTP_ERROR,
        Status.HOST_REFUSED,
        Status.HOST_PAUSED,
    }
)
