"""Our side of the products benchmark: a feed registered in slices, and each slice taken and written.

python -m benchmarks.products_ours FEED FOLDER
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context

from upath import UPath

from catalog.delivered import delivered_batches
from catalog.deliveries import Delivery
from catalog.feed_places import FeedPlace
from catalog.files import content_hash, write_parquet
from catalog.partners import PartnerSettings
from catalog.products import take_products
from catalog.registration import register
from catalog.succession import succeed
from catalog.taxonomy import Taxonomy

TAXONOMY = "1 - Things\n" + "".join(f"{n} - Things > Kind {n}\n" for n in range(2, 13))


def main() -> None:
    """What the assets feed_files and take_products do, without Dagster: a process a core takes one slice after another.

    So does a backfill, whose runs are processes that go side by side.
    """
    feed = FeedPlace.in_inbox(UPath(sys.argv[1]))
    deliveries = register(feed, received_at=datetime.now(UTC))
    num_cores = len(os.sched_getaffinity(0))
    os.environ["POLARS_MAX_THREADS"] = "1"  # of each of them
    with ProcessPoolExecutor(num_cores, mp_context=get_context("spawn")) as processes:
        list(processes.map(partial(take, sys.argv[1], sys.argv[2]), deliveries))


def take(file: str, folder: str, delivery: Delivery) -> None:
    """Takes one slice of the feed and writes its tables."""
    feed = FeedPlace.in_inbox(UPath(file))
    partner = PartnerSettings(partner_id=delivery.partner_id)
    taxonomy = Taxonomy.parse(TAXONOMY, "taxonomy")
    batches = delivered_batches(delivery, feed)
    takings = take_products(batches, partner=partner, delivery=delivery.key, taxonomy=taxonomy)
    received_at = datetime.fromisoformat(delivery.received_at)
    for table, frame in (
        ("products", succeed(None, takings.products, removed_at=received_at)),
        ("rejected", takings.rejected),
    ):
        write_parquet(frame, UPath(folder) / table / f"delivery={delivery.key}" / "data.parquet")
        content_hash(frame)  # the data version that Dagster is told


if __name__ == "__main__":
    main()
