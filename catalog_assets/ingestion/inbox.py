"""The inbox: finds feeds that are new, in the store's folder or at partners' URLs, and registers them."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from upath import UPath

from catalog.feeds.deliveries import MAX_DELIVERY_ROWS, Delivery, feed_files, known_deliveries
from catalog.feeds.feed import NO_NAMES, columns_fingerprint
from catalog.feeds.sources import FeedFile, InboxError, UnsettledFeedError, public_url
from catalog.products.partners import PARTNERS_FILE, PartnerSettings, read_partners
from catalog_assets.idioms.history import latest
from resources.store import Store

URL_INTERVAL = timedelta(minutes=5)  # between two requests to a partner's server
UNVERSIONED_INTERVAL = timedelta(hours=1)  # where the server reports no version, so that the whole feed is read
MAX_SCAN_S = 30.0  # Dagster gives a sensor a minute
UNREACHABLE = "unreachable"  # the state of a feed that could not be reached


@dataclass(frozen=True, kw_only=True)
class ScanSettings:
    """Settings of a scan of the inbox."""

    max_rows: int = MAX_DELIVERY_ROWS  # of a delivery; bigger feeds are converted to several
    max_scan_s: float | None = None  # after which the remaining files are left to the next scan
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """The result of a scan of the inbox."""

    deliveries: list[Delivery]  # registered now, not yet parsed
    seen: dict[str, str]  # feed -> time of the scan (of URLs) and state of the version that was registered or refused
    problems: list[str]  # refused files, each with the way out


def arrivals(
    store: Store, instance: dg.DagsterInstance, seen: Mapping[str, str], settings: ScanSettings | None = None
) -> Arrivals:
    """Register every feed that is new or rewritten since ``seen``, or whose partner's settings change its products.

    A second scan is harmless: a feed whose content is parsed already is only noted as seen.
    """
    settings = settings or ScanSettings()
    feeds = _feeds(store)
    present = {place.name for place in feeds.places}
    found: list[Delivery] = []
    problems = list(feeds.problems)
    now_seen = {name: state for name, state in seen.items() if name in present}
    started = time.monotonic()
    for place in feeds.places:
        if settings.max_scan_s is not None and time.monotonic() - started > settings.max_scan_s:
            break
        scanned_at, _, former = seen.get(place.name, "").rpartition("|")
        interval = URL_INTERVAL if former else UNVERSIONED_INTERVAL
        # A scan in the future was at a clock that has gone back since.
        if scanned_at and timedelta(0) <= settings.now - datetime.fromisoformat(scanned_at) < interval:
            continue
        state, deliveries = UNREACHABLE, []
        try:
            state = feeds.state(place, former)
            if not state or state != former:
                deliveries = _register(store, place, feeds, settings)
        except UnsettledFeedError as error:  # not noted as seen, so that the next scan tries again
            problems.append(str(error))
            continue
        except InboxError as error:
            problems.append(str(error))
        now_seen[place.name] = f"{settings.now.isoformat()}|{state}" if place.is_url else state
        found += [each for each in deliveries if _parsed_version(instance, each.key) != each.version]
    return Arrivals(deliveries=found, seen=now_seen, problems=problems)


def registration(delivery: Delivery) -> dg.AssetObservation:
    """Return the event that reports a feed file or its part to Dagster, with its content as data version.

    An observation: Dagster compares the versions of external partitions by these, and so per delivery.
    """
    return dg.AssetObservation(
        "feed_files",
        partition=delivery.key,
        metadata={
            "feed": delivery.feed,
            "format": delivery.feed_format,
            "bytes": delivery.num_bytes,
            "first_row": delivery.part.first_row,
            "rows": delivery.part.num_rows or 0,
            "parts": delivery.part.num_parts,
        },
        tags={"dagster/data_version": delivery.version},
    )


def source_of(store: Store, delivery: Delivery) -> FeedFile | UPath:
    """Return the file of a delivery's part or, where it is a whole feed, the place of the feed.

    Raises:
        InboxError: The partner's settings no longer have the feed's URL.
    """
    if delivery.part.file:
        return store.delivery_records / delivery.part.file
    if "://" not in delivery.feed:
        return FeedFile.in_inbox(store.inbox / delivery.feed)
    for url in store.partner(delivery.partner_id).feeds:
        if public_url(url) == delivery.feed:
            return FeedFile.at_url(delivery.partner_id, url)
    raise InboxError(
        f"feed {delivery.feed} of delivery {delivery.key!r} is not among the feeds of "
        f"[partners.{delivery.partner_id}]; add its URL to {store.reference / PARTNERS_FILE}"
    )


@dataclass(frozen=True, kw_only=True)
class _Feeds:
    """All feeds, those in the inbox first, with the settings of each partner."""

    places: list[FeedFile]
    partners: Mapping[str, PartnerSettings] | None  # None: the partners' settings cannot be read
    problems: list[str]

    def state(self, place: FeedFile, former: str) -> str:
        """Return a text that changes with the feed or its partner's settings; empty if its server has no versions."""
        stamp = place.stamp()
        if not stamp:
            return ""
        if self.partners is None:  # then only the feed itself can have changed
            return former if former.rpartition("#")[0] == stamp else f"{stamp}#"
        settings = filter(None, (columns_fingerprint(self.names_of(place)), self.types_of(place)))
        return f"{stamp}#{'-'.join(settings)}"

    def names_of(self, place: FeedFile) -> Mapping[str, str]:
        """Return the partner's own column names -> Merchant Center's."""
        partner = (self.partners or {}).get(place.partner_id)
        return partner.columns if partner is not None else NO_NAMES

    def types_of(self, place: FeedFile) -> str:
        """Return a text that changes with the categories of the partner's product types; empty where it has none."""
        partner = (self.partners or {}).get(place.partner_id)
        return columns_fingerprint(partner.product_types) if partner is not None else ""


def _feeds(store: Store) -> _Feeds:
    """Finds all feeds."""
    places = [FeedFile.in_inbox(file) for file in feed_files(store.inbox)]
    try:
        partners = read_partners(store.reference) if (store.reference / PARTNERS_FILE).exists() else []
    except ValueError as error:  # feeds in the inbox are registered without settings
        return _Feeds(places=places, partners=None, problems=[str(error)])
    problems = []
    for partner in partners:
        for url in partner.feeds:
            try:
                places.append(FeedFile.at_url(partner.partner_id, url))
            except InboxError as error:
                problems.append(str(error))
    return _Feeds(places=places, partners={each.partner_id: each for each in partners}, problems=problems)


def _register(store: Store, place: FeedFile, feeds: _Feeds, settings: ScanSettings) -> list[Delivery]:
    """Saves the records of a feed's deliveries; the same content keeps the time at which it first arrived.

    Parts that the feed once had and no longer has are registered as superseded, so that their products are removed.
    """
    from catalog.feeds.conversion import remove_parts  # and with it every reader: only registering needs them
    from catalog.feeds.registration import register

    records = store.delivery_records
    known = known_deliveries(records, place.key)
    present = {other.name for other in feeds.places}
    for other in known:
        if other.feed != place.name and other.feed in present:
            raise InboxError(
                f"feed {place.name} is refused: {other.feed} already is delivery {other.key!r}; rename one"
            )
    deliveries = register(
        place,
        records=records,
        received_at=_after_all(records.glob(f"{place.partner_id}.*.json"), settings.now),
        names=feeds.names_of(place),
        max_rows=settings.max_rows,
    )
    newest = deliveries[0]
    arrived = next((each.received_at for each in known if each.sha256 == newest.sha256), newest.received_at)
    keys = {each.key for each in deliveries}
    superseded = [each.superseded_by(newest) for each in known if each.key not in keys]
    types = feeds.types_of(place)
    deliveries = [replace(each, received_at=arrived, product_types=types) for each in [*deliveries, *superseded]]
    for delivery in deliveries:
        delivery.save(records)
    remove_parts(records, place.key, [delivery.part for delivery in deliveries])
    return deliveries


def _after_all(records: Iterable[UPath], now: datetime) -> datetime:
    """Returns now or, where the clock has gone back since a partner's newest delivery, the time just after that one."""
    received = (json.loads(path.read_text())["received_at"] for path in records)
    newest = max(map(datetime.fromisoformat, received), default=now)
    return now if newest <= now else newest + timedelta(microseconds=1)


def _parsed_version(instance: dg.DagsterInstance, key: str) -> str | None:
    """Returns the version of a delivery of its newest products."""
    products = latest(instance, "products", key)
    if products is None:
        return None
    return str((products.metadata.get("delivery_version") or products.metadata["feed_sha256"]).value)
