"""Registration: a feed becomes one delivery, or is converted to Parquet parts that are a delivery each.

A feed that brings its images is always converted, so that they do not change under a download.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from upath import UPath

from catalog.feeds.conversion import list_parts, listed_findings, listed_parts, remove_folder, write_parts
from catalog.feeds.deliveries import MAX_DELIVERY_ROWS, PARTS, Delivery, Part, known_deliveries
from catalog.feeds.feed import DEFAULT_OPTIONS, FeedError, ReadOptions
from catalog.feeds.feed_content import fingerprint_of, read_feed
from catalog.feeds.findings import NOTHING_DETECTED, Findings
from catalog.feeds.formats import expected_format
from catalog.feeds.local_copies import local_copy
from catalog.feeds.row_limits import limited_rows
from catalog.feeds.sources import FeedFile, InboxError, UnsettledFeedError

_READING = threading.BoundedSemaphore(3)  # readings at once in this process, each of which takes memory
_converting: dict[str, object] = {}  # the folders into which threads of this process write parts


def register(
    feed: FeedFile,
    *,
    records: UPath,
    received_at: datetime,
    options: ReadOptions = DEFAULT_OPTIONS,
    max_rows: int = MAX_DELIVERY_ROWS,
) -> list[Delivery]:
    """Return the deliveries that a feed becomes: one, or its parts of at most `max_rows` rows in their order.

    A feed at a URL is fetched once, within the limits of its access.

    The parts of a big feed are written below `records`, all of them before this returns; content that was converted
    before is not converted again. The records themselves are the caller's to save.

    Args:
        records: The folder of the delivery records.
        options: What the partner's settings say about the reading.

    Raises:
        InboxError: The name, the format or the content is refused.
        UnsettledFeedError: The feed changes meanwhile, or another thread converts it.
        StoreNotWritableError: The parts cannot be written.
    """
    if max_rows < 1:
        raise ValueError(f"{max_rows} rows a delivery are not possible; allow 1 at least")
    _ = feed.key  # a feed that can be no delivery is not fetched
    with _refusals(feed.name):
        _ = expected_format(feed.file_name)
    with local_copy(feed) as copy, _READING:
        return _register(copy, records=records, received_at=received_at, options=options, max_rows=max_rows)


def _register(
    feed: FeedFile, *, records: UPath, received_at: datetime, options: ReadOptions, max_rows: int
) -> list[Delivery]:
    """Does the same of a feed whose bytes are on this machine, or in the inbox."""
    key, stamp = feed.key, feed.stamp()
    columns = options.fingerprint
    with _refusals(feed.name):
        sha256, num_bytes = fingerprint_of(feed)
        folder = f"{PARTS}/{key}/{sha256}-{max_rows}" + (f"-{columns}" if columns else "")
        parts = listed_parts(records, folder)
        findings = Findings(
            listed_findings(records, folder) if parts else _former_findings(records, key, sha256, columns)
        )
        options = replace(options, findings=findings)
        if not parts:
            num_rows = _num_rows(feed, options, max_rows)
            parts = [Part(num_rows=num_rows)] if num_rows is not None else []
        if not parts:
            with _conversion(records, folder, feed.name):
                batches = limited_rows(read_feed(feed, options), num_bytes, max_rows, feed.name)
                parts = write_parts(batches, records, folder, max_rows)
                _check_settled(feed, stamp, sha256)
                list_parts(parts, records, folder, findings.recorded)
    if feed.stamp() != stamp:
        raise _unsettled(feed.name)
    return [
        Delivery(
            key=key if len(parts) == 1 else f"{key}.{part.number:05}",
            partner_id=feed.partner_id,
            feed=feed.name,
            feed_format=findings.get("format") or "",
            sha256=sha256,
            num_bytes=num_bytes,
            received_at=received_at.isoformat(),
            stamp=stamp,
            columns=columns,
            detected=dict(findings.recorded),
            part=part,
        )
        for part in parts
    ]


def _former_findings(records: UPath, key: str, sha256: str, columns: str) -> Mapping[str, str]:
    """Returns what was found out about the same content under the same settings: its rows stay what they were."""
    former = (each for each in known_deliveries(records, key) if (each.sha256, each.columns) == (sha256, columns))
    return next((each.detected for each in former), NOTHING_DETECTED)


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Raises refusals of a feed as `InboxError`."""
    try:
        yield
    except InboxError:
        raise
    except FeedError as error:
        raise InboxError(f"feed is refused: {error}") from error
    except ValueError as error:  # an unknown suffix
        raise InboxError(f"feed {name} is refused: {error}") from error


def _num_rows(feed: FeedFile, options: ReadOptions, limit: int) -> int | None:
    """Returns the number of rows of a feed that is one delivery as it is; None for one that has to be converted."""
    num_rows = 0
    for batch in read_feed(feed, options):
        num_rows += batch.rows.height + batch.rejected.height
        if num_rows > limit or batch.images is not None:
            return None
    return num_rows


@contextmanager
def _conversion(records: UPath, folder: str, name: str) -> Iterator[None]:
    """A block that alone in this process writes into the folder; where it fails, nothing of the folder stays."""
    token = object()
    if _converting.setdefault(folder, token) is not token:  # a sensor's tick that timed out goes on in its thread
        raise UnsettledFeedError(f"feed {name} is being converted; it is registered when that is done")
    try:
        yield
    except BaseException:
        remove_folder(records / folder)
        raise
    finally:
        del _converting[folder]


def _check_settled(feed: FeedFile, stamp: str, sha256: str) -> None:
    """Raises `UnsettledFeedError` where the feed is not what it was before it was read."""
    if feed.stamp() != stamp or (not stamp and fingerprint_of(feed)[0] != sha256):
        raise _unsettled(feed.name)


def _unsettled(name: str) -> UnsettledFeedError:
    return UnsettledFeedError(f"feed {name} is being written; it is registered when it no longer changes")
