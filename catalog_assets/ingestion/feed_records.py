"""Feed records: saves the deliveries that a feed becomes, and when each of them arrived."""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from upath import UPath

from catalog.feeds.deliveries import Delivery, known_deliveries
from catalog.feeds.sources import FeedFile, InboxError
from catalog.products.feed_versions import FeedVersions
from catalog_assets.ingestion.found_feeds import FoundFeeds
from resources.store import Store

_RECORDS = threading.Lock()  # feeds are read side by side, and recorded one after another


def register_feed(
    store: Store, place: FeedFile, feeds: FoundFeeds, max_rows: int, clock: Callable[[], datetime]
) -> list[Delivery]:
    """Save and return the records of a feed's deliveries; the same content keeps the time at which it first arrived.

    Parts that the feed once had and no longer has are registered as superseded, so that their products are removed.

    Raises:
        InboxError: the feed is refused, another one has its name, or its content was rolled back.
        UnsettledFeedError: it is still changing.
    """
    from catalog.feeds.conversion import remove_parts  # and with it every reader: only registering needs them
    from catalog.feeds.registration import register

    records = store.delivery_records
    _known(store, place, feeds)  # before a feed is read that cannot be registered
    read = register(place, records=records, received_at=clock(), options=feeds.options_of(place), max_rows=max_rows)
    with _RECORDS:
        known = _known(store, place, feeds)
        partner = _PartnerState(types=feeds.types_of(place), limits=feeds.limits_of(place))
        deliveries = _timed(read, known, partner, _after_all(_partners(records, place), clock()))
        versions = store.feed_versions(place.key)
        _refuse_withdrawn(versions, deliveries[0], known)
        former = {each.key: each for each in known}
        for delivery in deliveries:
            _ordered(store, versions, delivery, former.get(delivery.key)).save(records)
        remove_parts(records, place.key, [*(delivery.part for delivery in deliveries), *versions.parts()])
    return deliveries


def _refuse_withdrawn(versions: FeedVersions, delivery: Delivery, known: Sequence[Delivery]) -> None:
    """Raises InboxError for a feed that was rolled back and is delivered again; it does not come back by itself."""
    version = versions.id_of(delivery)
    if known and version == versions.id_of(known[0]):
        return
    if verdict := versions.withdrawn(delivery.sha256):
        raise InboxError(f"feed {delivery.feed} is refused: {verdict.problem}; {verdict.way_out}")
    restored = versions.verdict(version)
    if restored is not None and restored.state == "restored":  # from now on its rows are those of the file again
        versions.save(replace(restored, state="passed"))


def _ordered(store: Store, versions: FeedVersions, delivery: Delivery, former: Delivery | None) -> Delivery:
    """Returns the record with the time of the version that is served, whose own record is kept until then."""
    is_served = former is not None and former.version == delivery.version and not former.ordered_at
    if former is None or is_served or not store.holds("products", delivery.key):
        return delivery
    if former.version != delivery.version and not former.ordered_at:
        versions.remember_served(former)
    served = versions.served(delivery.key)
    return delivery if served.version == delivery.version else replace(delivery, ordered_at=served.received_at)


def _known(store: Store, place: FeedFile, feeds: FoundFeeds) -> list[Delivery]:
    """Returns the records that a feed has; raises InboxError where they are another feed's."""
    known = known_deliveries(store.delivery_records, place.key)
    present = {other.name for other in feeds.places}
    for other in known:
        if other.feed != place.name and other.feed in present:
            raise InboxError(
                f"feed {place.name} is refused: {other.feed} already is delivery {other.key!r}; rename one"
            )
    return known


@dataclass(frozen=True, kw_only=True)
class _PartnerState:
    """Fingerprints of the partner's settings: the categories of its product types, and its limits of change."""

    types: str
    limits: str


def _timed(
    read: Sequence[Delivery], known: Sequence[Delivery], partner: _PartnerState, now: datetime
) -> list[Delivery]:
    """Returns the deliveries that were read and those that they supersede, with the times of their arrival."""
    former = {each.key: each for each in known}
    newest = read[0]
    received_at = next((each.received_at for each in known if each.sha256 == newest.sha256), now.isoformat())
    keys = {each.key for each in read}
    superseded = [each.superseded_by(newest) for each in known if each.key not in keys]
    timed = [
        replace(each, received_at=received_at, product_types=partner.types, limits=partner.limits)
        for each in [*read, *superseded]
    ]
    return [replace(each, arrived_at=_arrived_at(each, former.get(each.key), now)) for each in timed]


def _arrived_at(delivery: Delivery, former: Delivery | None, now: datetime) -> str:
    """Returns when a delivery arrived: now, unless its record is of this very version of this very file."""
    is_known = former is not None and all(
        getattr(former, name) == getattr(delivery, name) for name in ("version", "stamp", "limits")
    )
    return former.arrived_at if former is not None and is_known else now.isoformat()


def _partners(records: UPath, place: FeedFile) -> Iterable[UPath]:
    return records.glob(f"{place.partner_id}.*.json")


def _after_all(records: Iterable[UPath], now: datetime) -> datetime:
    """Returns now or, where the clock has gone back since a partner's newest delivery, the time just after that one."""
    written = (json.loads(path.read_text()) for path in records)
    times = (time for each in written for time in (each["received_at"], each.get("arrived_at")) if time)
    newest = max(map(datetime.fromisoformat, times), default=None)
    return now if newest is None or newest < now else newest + timedelta(microseconds=1)
