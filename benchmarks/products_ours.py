"""Our side of the products benchmark: registers and converts a feed, parses each delivery and writes its tables.

python -m benchmarks.products_ours FEED FOLDER
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context

from upath import UPath

from catalog.feeds.deliveries import Delivery
from catalog.feeds.delivery_rows import delivered_batches
from catalog.feeds.registration import register
from catalog.feeds.sources import FeedFile
from catalog.products.parsing import parse_products
from catalog.products.partners import PartnerSettings
from catalog.products.redelivery import merge_redelivery
from catalog.storage.content_hash import content_hash
from catalog.storage.cores import num_cores
from catalog.storage.files import write_parquet
from catalog.taxonomy.tree import Taxonomy

TAXONOMY = "1 - Things\n" + "".join(f"{n} - Things > Kind {n}\n" for n in range(2, 13))


def main() -> None:
    """Parses a feed as the assets feed_files and products do, without Dagster, one process per core.

    A backfill does the same, with runs as parallel processes.
    """
    feed = FeedFile.in_inbox(UPath(sys.argv[1]))
    records = UPath(sys.argv[2]) / "deliveries"
    deliveries = register(feed, records=records, received_at=datetime.now(UTC))
    os.environ["POLARS_MAX_THREADS"] = "1"  # of each of them
    with ProcessPoolExecutor(num_cores(), mp_context=get_context("spawn")) as processes:
        list(processes.map(partial(parse, sys.argv[1], sys.argv[2]), deliveries))


def parse(file: str, folder: str, delivery: Delivery) -> None:
    """Parses one delivery of the feed and writes its tables."""
    part = delivery.part.file
    source = UPath(folder) / "deliveries" / part if part else FeedFile.in_inbox(UPath(file))
    partner = PartnerSettings(partner_id=delivery.partner_id)
    taxonomy = Taxonomy.parse(TAXONOMY, "taxonomy")
    batches = delivered_batches(delivery, source)
    parsed = parse_products(batches, partner=partner, delivery=delivery.key, taxonomy=taxonomy)
    received_at = datetime.fromisoformat(delivery.received_at)
    for table, frame in (
        ("products", merge_redelivery(None, parsed.products, removed_at=received_at)),
        ("rejected", parsed.rejected),
    ):
        write_parquet(frame, UPath(folder) / table / f"delivery={delivery.key}" / "data.parquet")
        content_hash(frame)  # the data version


if __name__ == "__main__":
    main()
