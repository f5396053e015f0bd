"""Fetched: the result of fetching one link, and the names that a server gives to a version of an image."""

from __future__ import annotations

from dataclasses import dataclass, replace

from catalog.images.statuses import Status

MAX_VALIDATOR_LENGTH = 512  # characters; a table has one a product


@dataclass(frozen=True, slots=True)
class Validators:
    """A server's names for one version of an image; with them it can respond that nothing has changed.

    A name that is not printable ASCII, or is too long, counts as none: it could neither be stored in a table nor sent
    back as a header. So no header of a server reaches a table or a request unchecked.
    """

    etag: str | None = None
    last_modified: str | None = None

    def __post_init__(self) -> None:
        if not _is_usable(self.etag):
            object.__setattr__(self, "etag", None)
        if not _is_usable(self.last_modified):
            object.__setattr__(self, "last_modified", None)

    def headers(self) -> dict[str, str]:
        """Returns the headers of a conditional request (RFC 9110, section 13.1)."""
        conditions = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in conditions.items() if value}


def _is_usable(name: str | None) -> bool:
    return name is None or (len(name) <= MAX_VALIDATOR_LENGTH and name.isascii() and name.isprintable())


UNKNOWN = Validators()  # of a version that the server did not name


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The result of fetching one link: the bytes where the status is OK, and how the request went.

    OK without bytes: the image is still the version that the request named.
    """

    status: Status
    data: bytes | None = None
    validators: Validators = UNKNOWN
    http_status: int | None = None
    final_url: str | None = None
    attempts: int = 0
    duration_ms: float = 0.0  # on the wire; waiting for a slot and backing off not counted

    def without_data(self) -> Fetched:
        """Returns a copy without the bytes, which are not needed once they are decoded."""
        return self if self.data is None else replace(self, data=None)
