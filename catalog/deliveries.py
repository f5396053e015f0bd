"""Deliveries: one feed file that a partner dropped into the inbox, and the unit of partitioning and of resumption.

A feed lies at ``inbox/PARTNER/NAME.EXT``; its delivery key is ``PARTNER.NAME``. The key becomes a folder name and a
partition key, so only plain names are taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from upath import UPath

from catalog.files import fingerprint, replace_file

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


class InboxError(ValueError):
    """A file in the inbox that cannot become a delivery: the message names the file and the way out."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A registered feed file: where it lies, whose it is, and what it contained when it was registered."""

    key: str
    partner_id: str
    feed: str  # path below the inbox
    feed_format: str
    sha256: str
    num_bytes: int
    received_at: str  # ISO 8601, UTC; orders deliveries, so that the newest row of a product counts

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
        return cls(**json.loads(path.read_text()))


def feed_files(inbox: UPath) -> Iterator[UPath]:
    """Every visible file below the inbox's partner folders, in a stable order; hidden files are still being written."""
    if not inbox.exists():
        return
    for partner in sorted(path for path in inbox.iterdir() if path.is_dir()):
        yield from sorted(path for path in partner.iterdir() if path.is_file() and not path.name.startswith("."))


def delivery_key(feed: UPath) -> str:
    """``PARTNER.NAME`` of a feed file; raises InboxError for a name that could not be a folder of its own."""
    partner_id, name = feed.parent.name, feed.name.partition(".")[0]
    for part in (partner_id, name):
        if not PLAIN_NAME.fullmatch(part):
            raise InboxError(
                f"feed {feed} is not taken: {part!r} is not a plain name; use letters, digits, '-' and '_'"
            )
    return f"{partner_id}.{name}"


def register(feed: UPath, *, received_at: datetime) -> Delivery:
    """The delivery that a feed file in the inbox makes, with the fingerprint of what the file holds now.

    Raises InboxError when the name or the format is not one that can be taken.
    """
    from catalog.feeds import format_of  # and with it every reader: only who registers needs them

    key = delivery_key(feed)
    try:
        feed_format = format_of(feed.name)
    except ValueError as error:
        raise InboxError(f"feed {feed} is not taken: {error}") from error
    return Delivery(
        key=key,
        partner_id=feed.parent.name,
        feed=f"{feed.parent.name}/{feed.name}",
        feed_format=feed_format,
        sha256=fingerprint(feed),
        num_bytes=feed.stat().st_size,
        received_at=received_at.isoformat(),
    )
