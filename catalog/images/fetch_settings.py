"""Fetch settings: everything a download may be told, as plain values that any engine can ship to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.images.picture import PictureRules
from catalog.images.politeness import Politeness

USER_AGENT = "shelfsight/0.1 (product pictures; set user_agent to name whom to contact)"


@dataclass(frozen=True, kw_only=True)
class FetchSettings(PictureRules):
    """Everything a download may be told: how pictures are asked for, which are taken and how they are stored.

    `timeout_s` is the hard limit on one picture's time on the wire, all its attempts and redirects together;
    waiting for a host's turn does not count. `idle_timeout_s` ends a response that stays silent for so long.
    """

    user_agent: str = USER_AGENT
    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 10.0
    timeout_s: float = 30.0
    max_bytes: int = 20_000_000
    max_redirects: int = 5
    max_attempts: int = 3
    backoff_s: float = 0.5  # before the second attempt, doubled before each further one, give or take a half
    max_connections: int = 128
    politeness: Politeness = field(default_factory=Politeness)
    host_limits: Mapping[str, Politeness] = field(default_factory=dict)  # agreed with single hosts, in lower case
    allowed_networks: tuple[str, ...] = ()  # networks or addresses let through though they are not public
    honour_robots: bool = False  # robots.txt and X-Robots-Tag: a partner's own links are meant to be fetched
    shard_rows: int = 1000
    shard_timeout_s: float = 14_400.0  # hard limit on one shard, waiting included; what it lacks then is a timeout
    num_decoders: int | None = None  # decoding processes; None: as many as there are cores to use
    decode_timeout_s: float = 20.0  # a picture that takes longer to decode is corrupt, or meant to harm

    def __post_init__(self) -> None:
        counts = ("max_bytes", "max_attempts", "max_connections", "shard_rows")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
