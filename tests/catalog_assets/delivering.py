"""A partner's feed of products named by letters: dropped, taken, and what the store then holds of it."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import polars as pl

from catalog.succession import current_products
from catalog_assets.definitions import definitions
from demo.flow import Progress, Stage, bring_up_to_date, register_arrivals
from resources.store import Store
from tests.catalog.feeds.reading import as_tsv

TAXONOMY = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n"
TAKE = Stage("take", ("products",), lambda instance: instance.get_dynamic_partitions("deliveries"))
INGEST = Stage("ingest", ("products", "outcomes"), TAKE.partitions)


def settle(store: Store, *urls: str) -> None:
    """The partner's settings, with these feeds."""
    reference = store.local / "reference"
    reference.mkdir(parents=True, exist_ok=True)
    (reference / "taxonomy.txt").write_text(TAXONOMY)
    (reference / "partners.toml").write_text(f"[partners.hansen]\nfeeds = {list(urls)}\n")


def tsv(ids: str, pictures: str = "http://127.0.0.1:9") -> bytes:
    return as_tsv([(each, f"title {each}", f"{pictures}/{each}.jpg", "", "1", "") for each in ids])


def drop(store: Store, ids: str, name: str = "big.tsv", pictures: str = "http://127.0.0.1:9") -> None:
    path = store.local / "inbox" / "hansen" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tsv(ids, pictures))


def take(store: Store, instance: dg.DagsterInstance) -> Progress:
    assert register_arrivals(store, instance) == []
    progress = bring_up_to_date(definitions(store.root), instance, [TAKE])
    assert not progress.refused
    return progress


def held(store: Store, key: str) -> tuple[str, str]:
    """The ids of a delivery's products in their order, and those of them that are removed."""
    products = store.scan("products", [key]).collect()
    removed = products.filter(pl.col("removed_at").is_not_null())
    return "".join(products["item_id"]), "".join(removed["item_id"])


def current(store: Store) -> str:
    """The ids of the products that are in a feed, in alphabetical order."""
    products = store.scan("products").collect()
    order = [record.key for record in store.deliveries(products["delivery"].unique().to_list())]
    rows = current_products(products, order).filter(pl.col("removed_at").is_null())
    return "".join(sorted(rows["item_id"]))


@contextmanager
def website(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a real web server over a folder, and the requests that it has answered."""
    requests = list[str]()
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            requests.append(f"{self.command} {self.path}")

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", requests
        finally:
            server.shutdown()
            thread.join()
