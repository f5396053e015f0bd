"""The parsing of one delivery: the same function on every engine."""

from __future__ import annotations

from dataclasses import dataclass

from upath import UPath

from catalog.feeds.deliveries import Delivery
from catalog.feeds.delivery_rows import delivered_batches
from catalog.feeds.sources import FeedFile
from catalog.products.parsing import ParsedFeed, parse_products
from catalog.products.partners import PartnerSettings
from catalog.taxonomy.moves import Moves
from catalog.taxonomy.tree import Taxonomy


@dataclass(frozen=True, kw_only=True)
class DeliveryTask:
    """A delivery to parse, as plain values that can be sent to another machine."""

    delivery: Delivery
    source: FeedFile | UPath  # the feed, or the file of the delivery's part
    partner: PartnerSettings
    taxonomy: Taxonomy
    moves: Moves

    def parse(self) -> ParsedFeed:
        """Return the delivery's products and rejected rows.

        Raises:
            FeedError: The feed is refused, or changed since its registration.
        """
        return parse_products(
            delivered_batches(self.delivery, self.source, self.partner.read_options),
            partner=self.partner,
            delivery=self.delivery.key,
            taxonomy=self.taxonomy,
            moves=self.moves,
        )
