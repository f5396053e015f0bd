"""Feeds of which a version is stopped, or was rolled back: why, and the command that lets it through."""

from collections.abc import Iterator, Sequence

from catalog.feeds.deliveries import Delivery, feed_key
from catalog.products.feed_verdicts import FeedVerdict
from resources.store import Store
from shelfsight.cli.waiting import Waiting

ACCEPT = "accept"


def stopped_feeds(store: Store, deliveries: Sequence[str]) -> Iterator[Waiting]:
    """Yields one entry for each feed whose registered version must not replace the one that is served."""
    for feed, verdict in stopped_verdicts(store, deliveries).items():
        reasons = f". Commonest reasons of rejected rows: {'; '.join(verdict.reasons)}" if verdict.reasons else ""
        yield Waiting(delivery=feed, stage=ACCEPT, reason=f"{verdict.problem}{reasons}", action=verdict.way_out)


def stopped_verdicts(store: Store, deliveries: Sequence[str]) -> dict[str, FeedVerdict]:
    """Returns the verdict about each feed whose registered version is stopped, or was rolled back."""
    verdicts = dict[str, FeedVerdict]()
    for feed, key in {feed_key(key): key for key in deliveries}.items():
        versions = store.feed_versions(key)
        if not versions.folder.exists():
            continue
        verdict = versions.verdict(versions.id_of(Delivery.load(store.delivery_records, key)))
        if verdict is not None and verdict.is_stopped:
            verdicts[feed] = verdict
    return verdicts
