"""Deliveries: one feed file that a partner sent, or a part of a big one; the unit of partitioning and of resumption.

A feed that lies at ``inbox/PARTNER/NAME.EXT``, or behind a URL that ends so, is the delivery ``PARTNER.NAME``, or where
it has more rows than a delivery may have, the deliveries ``PARTNER.NAME.00001``, ``.00002`` and so on. A key becomes a
folder's name and a partition's, so names are plain and hold no dot.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from upath import UPath

from catalog.storage.files import replace_file

MAX_DELIVERY_ROWS = 100_000
IMAGE_SCHEME = "part"  # of links to images that a feed brought, see `part_images`
PARTS = "parts"  # folder beside the delivery records: parts/FEED/CONTENT/NUMBER.parquet


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows `first_row` (the feed's first is 1) to `first_row + num_rows - 1` of a feed."""

    number: int = 1
    num_parts: int = 1
    first_row: int = 1
    num_rows: int | None = None  # None: as many as there are
    file: str = ""  # Parquet, below the folder of the delivery records; empty: the feed itself is read
    sha256: str = ""  # of that file
    images: str = ""  # the file of the images that the feed brought, beside it; empty: it brought none


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A registered feed file or a part of it: where the file is, whose it is, and its content at registration."""

    key: str
    partner_id: str
    feed: str  # path below the inbox, or URL
    feed_format: str
    sha256: str  # of the whole file
    num_bytes: int
    received_at: str  # ISO 8601, UTC; orders deliveries, so that the newest row of a product counts
    arrived_at: str = ""  # when this version was registered last: another one, or the file written once more
    stamp: str = ""  # of the file, see `FeedFile.stamp`
    columns: str = ""  # fingerprint of the partner's settings of reading, see `ReadOptions`
    # What the readers found out about the file when it was registered, and go by ever after; see `Findings`.
    detected: Mapping[str, str] = field(default_factory=dict, hash=False)
    product_types: str = ""  # fingerprint of the categories of the partner's own product types
    part: Part = field(default_factory=Part)

    @property
    def version(self) -> str:
        """The delivery's content in a word: the fingerprints of the file, column names and product types, the rows."""
        content = "-".join(filter(None, (self.sha256, self.columns, self.product_types)))
        return content if self.part.num_parts == 1 else f"{content}:{self.part.first_row}+{self.part.num_rows}"

    @property
    def arrival(self) -> str:
        """Text that differs for every arrival, also for the arrival of a version that was here before."""
        return f"{self.key}:{self.version}:{self.arrived_at}"

    @property
    def is_superseded(self) -> bool:
        """True if the feed has become too short for this part, which has no rows any more."""
        return self.part.num_rows == 0

    def superseded_by(self, newer: Delivery) -> Delivery:
        """Return the record of this part when its feed has it no longer: without a row, so its products are removed."""
        return replace(newer, key=self.key, part=Part(number=self.part.number, num_parts=0, num_rows=0))

    def save(self, folder: UPath) -> None:
        """Write the record, atomically."""
        with replace_file(folder / f"{self.key}.json") as file:
            file.write(json.dumps(asdict(self), indent=2).encode())

    @classmethod
    def load(cls, folder: UPath, key: str) -> Delivery:
        """Return the record of one key.

        Raises:
            FileNotFoundError: It is not registered; the message names the way to register it.
        """
        path = folder / f"{key}.json"
        if not path.exists():
            raise FileNotFoundError(f"no delivery {key!r} is registered at {path}; drop its feed file into the inbox")
        record = json.loads(path.read_text())
        return cls(**record | {"part": Part(**record.get("part", {}))})


def known_deliveries(folder: UPath, feed_key: str) -> list[Delivery]:
    """Return all records of one feed: its delivery, its parts, and those that it had once."""
    paths = [*folder.glob(f"{feed_key}.json"), *folder.glob(f"{feed_key}.*.json")]
    return [Delivery.load(folder, path.name.removesuffix(".json")) for path in sorted(paths, key=str)]


def feed_key(delivery_key: str) -> str:
    """Return the key of the feed that a delivery is, or is a part of."""
    return ".".join(delivery_key.split(".")[:2])
