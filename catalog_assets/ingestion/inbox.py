"""The inbox: finds feeds that are new, in the store's folder or at partners' URLs, and registers them."""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
from upath import UPath

from catalog.feeds.deliveries import Delivery
from catalog.feeds.feed_access import DEFAULT_ACCESS, FeedAccess
from catalog.feeds.sources import FeedFile, InboxError, public_url
from catalog.products.partners import PARTNERS_FILE
from catalog_assets.idioms.history import latest
from catalog_assets.ingestion.feed_scan import scan
from catalog_assets.ingestion.found_feeds import find_feeds
from catalog_assets.ingestion.scan_settings import ScanSettings
from resources.store import Store

INGESTIONS = frozenset({"ingest", "parse"})  # the jobs that arrivals start


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """The result of a scan of the inbox."""

    deliveries: list[Delivery]  # registered now, to be parsed
    seen: dict[str, str]  # feed -> time of the poll (of URLs) and state of the version that was registered or refused
    problems: list[str]  # refused files, each with the way out


def arrivals(
    store: Store, instance: dg.DagsterInstance, seen: Mapping[str, str], settings: ScanSettings | None = None
) -> Arrivals:
    """Register every feed that is new or rewritten since ``seen``, or whose partner's settings change its products.

    A second scan is harmless: a feed whose content is parsed already is only noted as seen.
    """
    settings = settings or ScanSettings()
    feeds = find_feeds(store, settings.access)
    known = {place.name: seen[place.name] for place in feeds.places if place.name in seen}
    polled = scan(store, feeds, known, settings)
    registered = [delivery for each in polled for delivery in each.deliveries]
    return Arrivals(
        deliveries=[delivery for delivery in registered if _needs_run(instance, delivery)],
        seen=known | {each.name: each.seen for each in polled if each.seen is not None},
        problems=[*feeds.problems, *(each.problem for each in polled if each.problem)],
    )


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
            "detected": dg.MetadataValue.json(dict(delivery.detected)),
        },
        tags={"dagster/data_version": delivery.version},
    )


def source_of(store: Store, delivery: Delivery, access: FeedAccess = DEFAULT_ACCESS) -> FeedFile | UPath:
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
            return FeedFile.at_url(delivery.partner_id, url, access)
    raise InboxError(
        f"feed {delivery.feed} of delivery {delivery.key!r} is not among the feeds of "
        f"[partners.{delivery.partner_id}]; add its URL to {store.reference / PARTNERS_FILE}"
    )


def _needs_run(instance: dg.DagsterInstance, delivery: Delivery) -> bool:
    """Returns True for a delivery that is not parsed as it is, or whose newest run failed."""
    if _parsed_version(instance, delivery.key) != delivery.version:
        return True
    newest = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": delivery.key}), limit=1)
    return any(run.status is dg.DagsterRunStatus.FAILURE and run.job_name in INGESTIONS for run in newest)


def _parsed_version(instance: dg.DagsterInstance, key: str) -> str | None:
    """Returns the version of a delivery of its newest products."""
    products = latest(instance, "products", key)
    if products is None:
        return None
    return str((products.metadata.get("delivery_version") or products.metadata["feed_sha256"]).value)
