"""Feed access: the limits within which a feed is fetched from a server that may be slow, silent or hostile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FeedAccess:
    """The limits of one fetch of a whole feed, all its requests and redirects together.

    A server that sends nothing for `idle_s`, or on average fewer than `min_bytes_per_s` over that time, has failed
    before `timeout_s`.
    """

    allowed_networks: tuple[str, ...] = ()  # networks or addresses allowed though they are not public
    timeout_s: float = 600.0
    idle_s: float = 30.0
    min_bytes_per_s: float = 1_000.0
    max_bytes: int = 20_000_000_000  # as it comes, compressed or not

    def __post_init__(self) -> None:
        for name in ("timeout_s", "idle_s", "max_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} of a feed's fetch must be above 0, not {getattr(self, name)}")


DEFAULT_ACCESS = FeedAccess()
