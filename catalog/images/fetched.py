"""Fetched: what asking for one link gave, and the names that a server has for a version of a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

from catalog.images.statuses import Status


@dataclass(frozen=True, slots=True)
class Validators:
    """A server's names for one version of a picture: with them it can say that nothing has changed."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        """The condition as request headers (RFC 9110, section 13.1)."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in named.items() if value}


UNKNOWN = Validators()  # of a version that the server did not name


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What asking for one link gave: the bytes where the status is ok, and the trail that led there.

    Without bytes though ok: the picture is still the version that the question named.
    """

    status: Status
    data: bytes | None = None
    validators: Validators = UNKNOWN
    http_status: int | None = None
    final_url: str | None = None
    attempts: int = 0
    duration_ms: float = 0.0  # on the wire; waiting for turns and backing off not counted

    def without_data(self) -> Fetched:
        """The same without the bytes, which nobody needs once they are decoded."""
        return self if self.data is None else replace(self, data=None)
