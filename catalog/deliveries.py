"""Deliveries: one feed file that a partner sent, or a slice of a big one; the unit of partitioning and of resumption.

A feed that lies at ``inbox/PARTNER/NAME.EXT``, or behind a URL that ends so, is the delivery ``PARTNER.NAME``, or where
it has more rows than a delivery may have, the deliveries ``PARTNER.NAME.00001``, ``.00002`` and so on. A key becomes a
folder's name and a partition's, so only plain names are taken, and they hold no dot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

from upath import UPath

from catalog.feed_slice import Slice
from catalog.files import replace_file

MAX_DELIVERY_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A registered slice of a feed file: where the file lies, whose it is, and what it held when it was registered."""

    key: str
    partner_id: str
    feed: str  # path below the inbox, or URL
    feed_format: str
    sha256: str  # of the whole file
    num_bytes: int
    received_at: str  # ISO 8601, UTC; orders deliveries, so that the newest row of a product counts
    stamp: str = ""  # of the file, as `FeedPlace.stamp` tells it
    part: Slice = field(default_factory=Slice)

    @property
    def version(self) -> str:
        """What the delivery holds, in a word: the file's fingerprint and the rows."""
        if self.part.num_slices == 1:
            return self.sha256
        return f"{self.sha256}:{self.part.first_row}+{self.part.num_rows}"

    @property
    def is_superseded(self) -> bool:
        """Whether the feed has become too short for this slice, which holds nothing any more."""
        return self.part.num_rows == 0

    def superseded_by(self, newer: Delivery) -> Delivery:
        """The record of this slice of a feed that is cut otherwise now: without a row, so its products are removed."""
        part = replace(Slice(), number=self.part.number, num_slices=0, num_rows=0)
        return replace(newer, key=self.key, part=part)

    def save(self, folder: UPath) -> None:
        """Write the record beside its place and rename it."""
        with replace_file(folder / f"{self.key}.json") as file:
            file.write(json.dumps(asdict(self), indent=2).encode())

    @classmethod
    def load(cls, folder: UPath, key: str) -> Delivery:
        """The record of one key; FileNotFoundError says how a delivery is registered."""
        path = folder / f"{key}.json"
        if not path.exists():
            raise FileNotFoundError(
                f"no delivery {key!r} is registered at {path}; drop its feed file into the store's inbox"
            )
        record = json.loads(path.read_text())
        return cls(**record | {"part": Slice(**record.get("part", {}))})


def known_deliveries(folder: UPath, feed_key: str) -> list[Delivery]:
    """What is registered of one feed: its delivery, its slices, and those that it had once."""
    paths = [*folder.glob(f"{feed_key}.json"), *folder.glob(f"{feed_key}.*.json")]
    return [Delivery.load(folder, path.name.removesuffix(".json")) for path in sorted(paths, key=str)]


def feed_files(inbox: UPath) -> Iterator[UPath]:
    """Every visible file below the inbox's partner folders, in a stable order; hidden files are still being written."""
    if not inbox.exists():
        return
    for partner in sorted(path for path in inbox.iterdir() if path.is_dir()):
        yield from sorted(path for path in partner.iterdir() if path.is_file() and not path.name.startswith("."))


def feed_key(delivery_key: str) -> str:
    """The key of the feed that a delivery is, or is a slice of."""
    return ".".join(delivery_key.split(".")[:2])
