"""Feed gate: judges a version of a feed against the one that is served, over all deliveries of the feed."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import polars as pl

from catalog.feeds.deliveries import Delivery, feed_key, known_deliveries
from catalog.products.delivery_parsing import DeliveryTask
from catalog.products.feed_comparison import compare, findings
from catalog.products.feed_contents import FeedContents
from catalog.products.feed_limits import GateLimits
from catalog.products.feed_verdicts import FeedVerdict, Served, commonest_reasons, verdict_of
from catalog.products.parsing import ParsedFeed
from catalog.products.redelivery import REMOVED_AT
from resources.store import Store

COLUMNS = ("item_id", "image_url", "category_id")


@dataclass(frozen=True, kw_only=True)
class FeedGate:
    """Judges versions of feeds.

    Attributes:
        limits: The limits of the feed's partner.
        task_of: Returns the task that parses a delivery.
        parse: Parses a delivery, on the project's engine.
    """

    store: Store
    limits: GateLimits
    task_of: Callable[[Delivery], DeliveryTask]
    parse: Callable[[DeliveryTask], ParsedFeed]

    def verdict(self, delivery: Delivery, parsed: ParsedFeed) -> FeedVerdict:
        """Return the verdict about the delivery's version, and keep it; one that a person gave stays.

        A feed of one delivery is compared whenever it is parsed, one of several once for all of them.

        Args:
            parsed: The content of the delivery itself; that of the feed's others is read where it is needed.
        """
        versions = self.store.feed_versions(delivery.key)
        version = versions.id_of(delivery)
        known = versions.verdict(version)
        if known is not None and self._stands(known, delivery):
            return known
        siblings = self._siblings(delivery)
        served = self._served(siblings)
        former, new = self._former(siblings), self._new(siblings, delivery, parsed)
        comparison = compare(former, new)
        found = findings(comparison, self.limits, has_same_content=served.version == version)
        verdict = verdict_of(
            delivery,
            served,
            comparison,
            found,
            version=version,
            reasons=commonest_reasons(new),
            limits=asdict(self.limits),
            judged_at=datetime.now(UTC).isoformat(),
        )
        if known is not None:  # the alert about it is not repeated
            verdict = replace(verdict, alerted_at=known.alerted_at)
        versions.save(verdict)
        return verdict

    def _stands(self, known: FeedVerdict, delivery: Delivery) -> bool:
        """Returns True for a verdict of a person, or of another run about the same version of a feed in parts."""
        if known.state in ("accepted", "withdrawn", "restored"):
            return True
        return delivery.part.num_parts != 1 and known.limits == asdict(self.limits)

    def _siblings(self, delivery: Delivery) -> list[Delivery]:
        """Returns all deliveries that the feed has or once had."""
        if delivery.part.num_parts == 1:
            others = known_deliveries(self.store.delivery_records, feed_key(delivery.key))
            return [delivery, *(each for each in others if each.key != delivery.key)]
        return known_deliveries(self.store.delivery_records, feed_key(delivery.key))

    def _served(self, siblings: list[Delivery]) -> Served:
        """Returns the version that is served, of the first delivery that has products."""
        versions = self.store.feed_versions(siblings[0].key)
        for each in siblings:
            if self.store.holds("products", each.key):
                record = versions.served(each.key)
                return Served(version=versions.id_of(record), since=record.arrived_at or record.received_at)
        return Served()

    def _former(self, siblings: list[Delivery]) -> FeedContents | None:
        """Returns the products that are served, delivery by delivery; None where there are none."""
        held = [each.key for each in siblings if self.store.holds("products", each.key)]
        if not held:
            return None
        former = FeedContents()
        for key in held:
            products = self.store.scan("products", [key])
            if REMOVED_AT in products.collect_schema():  # an older program wrote none
                products = products.filter(pl.col(REMOVED_AT).is_null())
            former.add_products(products.select(COLUMNS).collect())
        return former

    def _new(self, siblings: list[Delivery], delivery: Delivery, parsed: ParsedFeed) -> FeedContents:
        """Returns the content of the new version, delivery by delivery."""
        new = FeedContents()
        for each in siblings:
            if each.key == delivery.key:
                new.add(parsed)
            elif not each.is_superseded and each.content == delivery.content:
                new.add(self.parse(self.task_of(each)))
        return new
