"""Delivery rows: the rows of one delivery, from its part or from a feed that is still the registered one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from upath import UPath

from catalog.feeds.conversion import read_part
from catalog.feeds.deliveries import Delivery
from catalog.feeds.feed import DEFAULT_OPTIONS, FeedBatch, FeedError, ReadOptions
from catalog.feeds.feed_content import fingerprint_of, read_feed
from catalog.feeds.findings import Findings
from catalog.feeds.local_copies import local_copy
from catalog.feeds.sources import FeedFile


class ChangedFeedError(FeedError):
    """A feed that was rewritten after its registration; the next evaluation of the inbox registers it again."""


def delivered_batches(
    delivery: Delivery, source: FeedFile | UPath, options: ReadOptions = DEFAULT_OPTIONS
) -> Iterator[FeedBatch]:
    """Yield the rows of a delivery; none of a delivery that is superseded.

    Nothing of the rows may be used before the last batch has come.

    Args:
        source: The delivery's feed or, of a feed that was converted, the file of the delivery's part.
        options: What the partner's settings say about the reading.

    Raises:
        ChangedFeedError: The feed, or the settings under which it was converted, changed since registration.
        FeedError: The content is refused.
    """
    if delivery.is_superseded:
        return
    batches = (
        _of_feed(delivery, source, options) if isinstance(source, FeedFile) else _of_part(delivery, source, options)
    )
    yield from batches


def _of_part(delivery: Delivery, file: UPath, options: ReadOptions) -> Iterator[FeedBatch]:
    if options.fingerprint != delivery.columns:
        raise _changed(
            f"the columns or other settings of partner {delivery.partner_id!r}",
            "since",
            delivery,
            "was registered",
        )
    try:
        yield from read_part(file, delivery.part)
    except FileNotFoundError as error:  # parts of superseded content are removed
        raise _changed(f"feed {delivery.feed}", "since", delivery, "was registered") from error


def _of_feed(delivery: Delivery, feed: FeedFile, options: ReadOptions) -> Iterator[FeedBatch]:
    with local_copy(feed) as copy:
        stamp = copy.stamp()
        # Of a copy the bytes count: a server may send others than the version that it names.
        if (not stamp or feed.is_url or stamp != delivery.stamp) and fingerprint_of(copy)[0] != delivery.sha256:
            raise _changed(f"feed {feed.name}", "since", delivery, "was registered")
        # Under other settings than at registration, what was detected then says nothing.
        detected = delivery.detected if options.fingerprint == delivery.columns else {}
        yield from read_feed(copy, replace(options, findings=Findings(detected)))
        if copy.stamp() != stamp:
            raise _changed(f"feed {feed.name}", "while", delivery, "was read")


def _changed(thing: str, when: str, delivery: Delivery, event: str) -> ChangedFeedError:
    return ChangedFeedError(
        f"{thing} changed {when} delivery {delivery.key!r} {event}; wait for feed_sensor to register the feed again"
    )
