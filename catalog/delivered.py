"""What was delivered: the rows of one delivery, from a feed that is still the one that was registered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from catalog.deliveries import Delivery
from catalog.feed_places import FeedPlace, InboxError, reached
from catalog.feeds import FeedBatch, FeedError, decompressed
from catalog.feeds.feed import NO_NAMES
from catalog.feeds.slicing import read_slice
from catalog.registration import sha256_of


class ChangedFeedError(FeedError):
    """A feed that was rewritten after its registration; the next look into the inbox registers it again."""


def delivered_batches(delivery: Delivery, feed: FeedPlace, names: Mapping[str, str] = NO_NAMES) -> Iterator[FeedBatch]:
    """The rows of a delivery, read from its feed; none of a delivery that is superseded.

    `names` are the partner's own names of attributes.

    A feed whose stamp is the registered one is not fingerprinted again: a big file would be once a slice.
    Raises `ChangedFeedError` where the feed is not what was registered, before the rows or after them, and `FeedError`
    as readers do; so nothing is taken before the last batch has come.
    """
    if delivery.is_superseded:
        return
    stamp = feed.stamp()
    if (not stamp or stamp != delivery.stamp) and sha256_of(feed) != delivery.sha256:
        raise ChangedFeedError(
            f"feed {feed.name} changed since delivery {delivery.key!r} was registered; "
            "wait for feed_sensor to register it again"
        )
    with reached(feed.name, FeedError, InboxError), feed.open() as file:
        content = decompressed(file, feed.file_name, feed.name)
        yield from read_slice(content, feed.name, delivery.feed_format, delivery.part, names)
    if feed.stamp() != stamp:
        raise ChangedFeedError(
            f"feed {feed.name} changed while delivery {delivery.key!r} was read; "
            "wait for feed_sensor to register it again"
        )
