"""Delivers feeds to a store the whole way, without an orchestrator: registered, parsed, judged and published."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl
from upath import UPath

from catalog.feeds.deliveries import Delivery
from catalog.feeds.feed_access import DEFAULT_ACCESS
from catalog.feeds.sources import FeedFile
from catalog.products.delivery_parsing import DeliveryTask
from catalog.products.feed_limits import GateLimits
from catalog.products.feed_verdicts import FeedVerdict
from catalog.products.redelivery import current_products, merge_redelivery
from catalog.taxonomy.moves import Moves
from catalog_assets.ingestion.feed_gate import FeedGate
from catalog_assets.ingestion.feed_publication import FeedPublication
from catalog_assets.ingestion.feed_records import register_feed
from catalog_assets.ingestion.found_feeds import find_feeds
from catalog_assets.ingestion.inbox import source_of
from resources.store import Store
from tests.faults.dirty.running import PARTNER, TAXONOMY

KEPT_VERSIONS = 3


@dataclass
class Catalog:
    """A store with one partner, to which feeds are delivered."""

    folder: Path
    settings: str = ""
    now: datetime = field(default=datetime(2024, 5, 1, 12, tzinfo=UTC))

    @cached_property
    def store(self) -> Store:
        """The store; it is made when it is used first."""
        reference = self.folder / "reference"
        reference.mkdir(parents=True)
        (reference / "taxonomy.txt").write_text(TAXONOMY)
        (reference / "partners.toml").write_text(f"[partners.{PARTNER}]\n{self.settings}\n")
        return Store(root=str(self.folder))

    def register(self, content: bytes, file: str, max_rows: int = 100_000) -> list[Delivery]:
        """Drop a file into the inbox and register it; raises InboxError where it is refused."""
        inbox = self.store.local / "inbox" / PARTNER
        inbox.mkdir(parents=True, exist_ok=True)
        (inbox / file).write_bytes(content)
        self.now += timedelta(hours=1)
        feeds = find_feeds(self.store, DEFAULT_ACCESS)
        return register_feed(self.store, FeedFile.in_inbox(UPath(inbox / file)), feeds, max_rows, lambda: self.now)

    def deliver(self, content: bytes, file: str, max_rows: int = 100_000) -> FeedVerdict:
        """Deliver a feed: publish what may be published, and return the verdict."""
        return self.publish(self.register(content, file, max_rows))

    def publish(self, deliveries: list[Delivery]) -> FeedVerdict:
        """Judge and publish registered deliveries, as the asset does."""
        verdicts = [self._publish(each) for each in deliveries]
        assert len({each.state for each in verdicts}) == 1
        return verdicts[0]

    def _publish(self, delivery: Delivery) -> FeedVerdict:
        store, partner, taxonomy = self.store, self.store.partner(PARTNER), self.store.taxonomy()

        def task_of(each: Delivery) -> DeliveryTask:
            source = source_of(store, each)
            moves = Moves((), taxonomy)
            return DeliveryTask(delivery=each, source=source, partner=partner, taxonomy=taxonomy, moves=moves)

        publication = FeedPublication(store=store, delivery=delivery, num_kept=KEPT_VERSIONS)
        parsed = publication.restored(taxonomy) or task_of(delivery).parse()
        gate = FeedGate(store=store, limits=partner.limits(GateLimits()), task_of=task_of, parse=DeliveryTask.parse)
        verdict = gate.verdict(delivery, parsed)
        if verdict.is_stopped:
            return verdict
        former = store.scan("products", [delivery.key]).collect() if store.holds("products", delivery.key) else None
        removed_at = datetime.fromisoformat(publication.removed_at)
        publication.keep_former()
        store.write(merge_redelivery(former, parsed.products, removed_at=removed_at), "products", delivery.key)
        store.write(parsed.rejected, "rejected", delivery.key)
        publication.finish()
        return verdict

    def products(self) -> pl.DataFrame:
        """The row that counts of each product."""
        if not self.store.partitions("products"):
            return pl.DataFrame(schema={"item_id": pl.String, "removed_at": pl.Datetime, "image_url": pl.String})
        rows = self.store.scan("products").collect()
        order = [each.key for each in self.store.served_deliveries(rows["delivery"].unique().to_list())]
        return current_products(rows, order)

    def counts(self) -> tuple[int, int]:
        """The number of current and of removed products."""
        removed = self.products()["removed_at"].is_not_null()
        return int((~removed).sum()), int(removed.sum())
