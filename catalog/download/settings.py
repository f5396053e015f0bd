"""Fetch settings: the settings of a download, as plain values that any engine can ship to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.download.host_limiter import Politeness
from catalog.images.stored_image import ImageRules

USER_AGENT = "shelfsight/0.1 (product images; set user_agent to name whom to contact)"


@dataclass(frozen=True, kw_only=True)
class FetchSettings(ImageRules):
    """The settings of a download: how images are fetched, which are accepted and how they are stored.

    `timeout_s` is the hard limit on one image's time on the wire, all its attempts and redirects together; waiting for
    a connection or the rate limit does not count. `idle_timeout_s` ends a response that sends no bytes for so long.
    """

    user_agent: str = USER_AGENT
    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 10.0
    timeout_s: float = 30.0
    max_redirects: int = 5
    max_attempts: int = 3
    backoff_s: float = 0.5  # before the second attempt, doubled before each further one, times 0.5 to 1.5 at random
    max_connections: int = 128
    politeness: Politeness = field(default_factory=Politeness)
    host_limits: Mapping[str, Politeness] = field(default_factory=dict)  # limits of single hosts, by name in lower case
    allowed_networks: tuple[str, ...] = ()  # networks or addresses allowed though they are not public
    honor_robots: bool = (
        False  # robots.txt and X-Robots-Tag; off by default, since partners list their own images to be fetched
    )
    image_roots: Mapping[str, str] = field(default_factory=dict)  # name -> absolute folder or URL, see `image_roots`
    parts: str = ""  # folder of the parts of deliveries, with the images of feeds that bring them
    shard_rows: int = 1000
    shard_timeout_s: float = 14_400.0  # hard limit on one shard, waiting included; links without a result then time out
    num_decoders: int | None = None  # decoding processes; None: one a core, as far as memory has room for them
    decode_timeout_s: float = 20.0  # processor time; an image that takes longer to decode counts as corrupt

    def __post_init__(self) -> None:
        counts = ("max_bytes", "max_attempts", "max_connections", "shard_rows")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
