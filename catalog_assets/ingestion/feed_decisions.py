"""Feed decisions: versions of feeds that wait for a person, and those that a person let through or rolled back to."""

import dagster as dg

from catalog.feeds.deliveries import Delivery, known_deliveries
from catalog.products.feed_versions import requested_feeds
from catalog_assets.idioms.history import latest
from resources.store import Store


def is_stopped(store: Store, delivery: Delivery) -> bool:
    """Returns True for a version that waits for a person under the limits that its partner has now.

    It is not parsed once more, however often it is delivered.
    """
    versions = store.feed_versions(delivery.key)
    verdict = versions.verdict(versions.id_of(delivery))
    if verdict is None or not verdict.is_stopped:
        return False
    return verdict.state == "withdrawn" or verdict.partner_limits == delivery.limits


def requested(store: Store, instance: dg.DagsterInstance) -> list[Delivery]:
    """Returns the deliveries of feeds whose version a person has chosen, until all of them are parsed.

    A choice is over once another version of the feed arrives.
    """
    wanted = list[Delivery]()
    for versions in requested_feeds(store.path):
        chosen, known = versions.requested(), known_deliveries(store.delivery_records, versions.key)
        own = [each for each in known if versions.id_of(each) == chosen]
        if len(own) < len(known) or all(is_parsed(instance, each) for each in own):
            versions.end_request()
        else:
            wanted += own
    return wanted


def is_parsed(instance: dg.DagsterInstance, delivery: Delivery) -> bool:
    """Returns True if the newest products of a delivery are those of its registered version."""
    products = latest(instance, "products", delivery.key)
    if products is None:
        return False
    return (products.metadata.get("delivery_version") or products.metadata["feed_sha256"]).value == delivery.version
