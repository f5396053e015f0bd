"""The inbox: which feeds are new, in the store's folder or behind partners' URLs, and what registering them records."""

import json
import os
import time
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from upath import UPath

from catalog.deliveries import MAX_DELIVERY_ROWS, Delivery, feed_files, known_deliveries
from catalog.feed_places import FeedPlace, InboxError, UnsettledFeedError, public_url
from catalog.partners import PARTNERS_FILE, read_partners
from catalog_assets.history import latest
from resources.store import Store

URL_INTERVAL = timedelta(minutes=5)  # how long a partner's server is left alone after a look at its feed
UNTOLD_INTERVAL = timedelta(hours=1)  # and where it does not tell versions, so that a look means reading all
MAX_LOOK_S = 30.0  # Dagster gives a sensor a minute
UNREACHABLE = "unreachable"  # the stamp of a feed that could not be looked at


@dataclass(frozen=True, kw_only=True)
class LookSettings:
    """How a look into the inbox goes about it."""

    max_rows: int = MAX_DELIVERY_ROWS  # of a delivery; bigger feeds are sliced
    max_look_s: float | None = None  # after which the files that are left wait for the next look
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """What a look into the inbox found."""

    deliveries: list[Delivery]  # registered now, not yet taken
    seen: dict[str, str]  # feed -> when it was looked at (of URLs) and the stamp of the version that was dealt with
    problems: list[str]  # files that cannot be taken, each with the way out


def max_delivery_rows() -> int:
    """How many rows a delivery may have, from the environment."""
    told = os.environ.get("SHELFSIGHT_MAX_DELIVERY_ROWS", str(MAX_DELIVERY_ROWS))
    if not told.isdecimal() or not int(told):
        raise ValueError(f"SHELFSIGHT_MAX_DELIVERY_ROWS is {told!r}; make it a whole number above 0")
    return int(told)


def arrivals(
    store: Store, instance: dg.DagsterInstance, seen: Mapping[str, str], settings: LookSettings | None = None
) -> Arrivals:
    """Register every feed that is new or rewritten since ``seen``, big ones in slices.

    Looking twice is harmless: a feed whose content was already taken into products is only noted as seen.
    """
    settings = settings or LookSettings()
    places, problems = _feeds(store)
    present = {place.name for place in places}
    found: list[Delivery] = []
    now_seen = {name: told for name, told in seen.items() if name in present}
    started = time.monotonic()
    for place in places:
        if settings.max_look_s is not None and time.monotonic() - started > settings.max_look_s:
            break
        looked_at, _, stamp = seen.get(place.name, "").rpartition("|")
        interval = URL_INTERVAL if stamp else UNTOLD_INTERVAL
        # A look that lies in the future was at a clock that has gone back since.
        if looked_at and timedelta(0) <= settings.now - datetime.fromisoformat(looked_at) < interval:
            continue
        current, deliveries = UNREACHABLE, []
        try:
            current = place.stamp()
            if not current or current != stamp:
                deliveries = _register(store, place, present, settings)
        except UnsettledFeedError as error:  # not noted as seen, so that the next look tries again
            problems.append(str(error))
            continue
        except InboxError as error:
            problems.append(str(error))
        now_seen[place.name] = f"{settings.now.isoformat()}|{current}" if place.is_url else current
        found += [each for each in deliveries if _taken_version(instance, each.key) != each.version]
    return Arrivals(deliveries=found, seen=now_seen, problems=problems)


def registration(delivery: Delivery) -> dg.AssetMaterialization:
    """The event that tells Dagster of a feed file or its slice, with what it holds as data version."""
    return dg.AssetMaterialization(
        "feed_files",
        partition=delivery.key,
        metadata={
            "feed": delivery.feed,
            "format": delivery.feed_format,
            "bytes": delivery.num_bytes,
            "first_row": delivery.part.first_row,
            "rows": delivery.part.num_rows or 0,
            "slices": delivery.part.num_slices,
        },
        tags={"dagster/data_version": delivery.version},
    )


def feed_place(store: Store, delivery: Delivery) -> FeedPlace:
    """Where the feed of a delivery lies; raises InboxError for a URL that the partner's settings name no more."""
    if "://" not in delivery.feed:
        return FeedPlace.in_inbox(store.inbox / delivery.feed)
    for url in store.partner(delivery.partner_id).feeds:
        if public_url(url) == delivery.feed:
            return FeedPlace.behind(delivery.partner_id, url)
    raise InboxError(
        f"feed {delivery.feed} of delivery {delivery.key!r} is not among the feeds of "
        f"[partners.{delivery.partner_id}]; add its URL to {store.reference / PARTNERS_FILE}"
    )


def _feeds(store: Store) -> tuple[list[FeedPlace], list[str]]:
    """All feeds that there are, those in the inbox first, and what is wrong with others."""
    places = [FeedPlace.in_inbox(file) for file in feed_files(store.inbox)]
    problems = []
    try:
        partners = read_partners(store.reference) if (store.reference / PARTNERS_FILE).exists() else []
    except ValueError as error:  # feeds in the inbox need no settings before they are taken
        partners = []
        problems.append(str(error))
    for partner in partners:
        for url in partner.feeds:
            try:
                places.append(FeedPlace.behind(partner.partner_id, url))
            except InboxError as error:
                problems.append(str(error))
    return places, problems


def _register(store: Store, place: FeedPlace, present: Set[str], settings: LookSettings) -> list[Delivery]:
    """Save the records of a feed's deliveries; the same content keeps the time at which it first arrived.

    Slices that the feed once had and has no more are registered as superseded, so that their products are removed.
    """
    from catalog.registration import register  # and with it every reader: only who registers needs them

    known = known_deliveries(store.delivery_records, place.key)
    for other in known:
        if other.feed != place.name and other.feed in present:
            raise InboxError(
                f"feed {place.name} is not taken: {other.feed} already is delivery {other.key!r}; rename one"
            )
    received_at = _after_all(store.delivery_records.glob(f"{place.partner_id}.*.json"), settings.now)
    deliveries = register(place, received_at=received_at, max_rows=settings.max_rows)
    newest = deliveries[0]
    arrived = next((each.received_at for each in known if each.sha256 == newest.sha256), newest.received_at)
    keys = {each.key for each in deliveries}
    superseded = [each.superseded_by(newest) for each in known if each.key not in keys]
    deliveries = [replace(each, received_at=arrived) for each in [*deliveries, *superseded]]
    for delivery in deliveries:
        delivery.save(store.delivery_records)
    return deliveries


def _after_all(records: Iterable[UPath], now: datetime) -> datetime:
    """Now, or where the clock has gone back since a partner's newest delivery, just after that: the last one counts."""
    received = (json.loads(path.read_text())["received_at"] for path in records)
    newest = max(map(datetime.fromisoformat, received), default=now)
    return now if newest <= now else newest + timedelta(microseconds=1)


def _taken_version(instance: dg.DagsterInstance, key: str) -> str | None:
    """What a delivery held when its products were last made."""
    products = latest(instance, "products", key)
    if products is None:
        return None
    return str((products.metadata.get("delivery_version") or products.metadata["feed_sha256"]).value)
