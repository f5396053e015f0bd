"""The inbox: which feed files are new, and what registering them records."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg
from upath import UPath

from catalog.deliveries import Delivery, InboxError, feed_files, register
from catalog_assets.history import latest
from resources.store import Store


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """What a look into the inbox found."""

    deliveries: list[Delivery]  # registered now, not yet taken
    seen: dict[str, str]  # feed path -> stamp of the version that was dealt with
    problems: list[str]  # files that cannot be taken, each with the way out


def arrivals(store: Store, instance: dg.DagsterInstance, seen: Mapping[str, str]) -> Arrivals:
    """Register every feed file that is new or rewritten since ``seen``.

    Looking twice is harmless: a feed whose content was already taken into products is only noted as seen.
    """
    found: list[Delivery] = []
    stamps: dict[str, str] = {}
    problems: list[str] = []
    for feed in feed_files(store.inbox):
        name = f"{feed.parent.name}/{feed.name}"
        stamps[name] = _stamp(feed)
        if seen.get(name) == stamps[name]:
            continue
        try:
            delivery = _register(store, feed, name)
        except InboxError as error:
            problems.append(str(error))
            continue
        if _taken_sha256(instance, delivery.key) != delivery.sha256:
            found.append(delivery)
    return Arrivals(deliveries=found, seen=stamps, problems=problems)


def registration(delivery: Delivery) -> dg.AssetMaterialization:
    """The event that tells Dagster of a feed file, its fingerprint as data version."""
    return dg.AssetMaterialization(
        "feed_files",
        partition=delivery.key,
        metadata={"feed": delivery.feed, "format": delivery.feed_format, "bytes": delivery.num_bytes},
        tags={"dagster/data_version": delivery.sha256},
    )


def _register(store: Store, feed: UPath, name: str) -> Delivery:
    """Save the delivery's record; the same content keeps the time at which it first arrived."""
    delivery = register(feed, received_at=datetime.now(UTC))
    if (store.delivery_records / f"{delivery.key}.json").exists():
        known = Delivery.load(store.delivery_records, delivery.key)
        if known.feed != name and (store.inbox / known.feed).exists():
            raise InboxError(
                f"feed {feed} is not taken: {store.inbox / known.feed} already is delivery {delivery.key!r}; rename one"
            )
        if known.sha256 == delivery.sha256:
            delivery = replace(delivery, received_at=known.received_at)
    delivery.save(store.delivery_records)
    return delivery


def _taken_sha256(instance: dg.DagsterInstance, key: str) -> str | None:
    """The fingerprint of the feed from which a delivery's products were last made."""
    products = latest(instance, "products", key)
    return str(products.metadata["feed_sha256"].value) if products else None


def _stamp(feed: UPath) -> str:
    """Changes whenever the file does: size and time of change, which every filesystem reports."""
    stat = feed.stat()
    return f"{stat.st_size}:{stat.st_mtime}"
