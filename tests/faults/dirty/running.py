"""Runs a dirty feed the whole way that a delivery goes: registered from an inbox, read, and parsed to products."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from upath import UPath

from catalog.feeds.registration import register
from catalog.feeds.sources import FeedFile
from catalog.products.delivery_parsing import DeliveryTask
from catalog.products.parsing import ParsedFeed
from catalog.products.partners import read_partner
from catalog.taxonomy.moves import Moves
from catalog.taxonomy.tree import Taxonomy
from tests.faults.dirty.feed_case import FeedCase

PARTNER = "hansen"
RECEIVED_AT = datetime(2024, 5, 1, 12, tzinfo=UTC)
TAXONOMY = """# Google_Product_Taxonomy_Version: 2021-09-21
1 - Animals & Pet Supplies
166 - Apparel & Accessories
1604 - Apparel & Accessories > Clothing
2271 - Apparel & Accessories > Clothing > Dresses
212 - Apparel & Accessories > Clothing > Shirts & Tops
187 - Apparel & Accessories > Shoes
412 - Food, Beverages & Tobacco
436 - Furniture
443 - Furniture > Chairs
"""


def parsed(case: FeedCase, folder: Path) -> ParsedFeed:
    """Return the products and rejected rows of a case, over all deliveries that its feed becomes.

    Raises:
        InboxError: The feed is refused.
    """
    reference, inbox = UPath(folder / "reference"), folder / "inbox" / PARTNER
    reference.mkdir(parents=True)
    inbox.mkdir(parents=True)
    (reference / "partners.toml").write_text(f"[partners.{PARTNER}]\n{case.settings}\n")
    for name, text in case.files.items():
        (reference / name).write_text(text)
    (inbox / case.file).write_bytes(case.data)
    partner = read_partner(reference, PARTNER)
    taxonomy = Taxonomy.parse(TAXONOMY, "taxonomy.txt")
    records = UPath(folder / "deliveries")
    feed = FeedFile.in_inbox(UPath(inbox / case.file))
    deliveries = register(feed, records=records, received_at=RECEIVED_AT, options=partner.read_options)
    feeds = [
        DeliveryTask(
            delivery=delivery,
            source=records / delivery.part.file if delivery.part.file else feed,
            partner=partner,
            taxonomy=taxonomy,
            moves=Moves((), taxonomy),
        ).parse()
        for delivery in deliveries
    ]
    return ParsedFeed(pl.concat([each.products for each in feeds]), pl.concat([each.rejected for each in feeds]))
