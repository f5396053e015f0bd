"""A partner's feed of products named by letters: dropped, parsed, and read from the store."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import polars as pl

from catalog.products.redelivery import current_products
from catalog_assets.definitions import definitions
from catalog_assets.flow import Progress, register_arrivals, run_jobs
from resources.settings import Settings
from resources.store import Store
from tests.catalog.feeds.reading import as_tsv

TAXONOMY = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n"
PARSE = "parse"
INGEST = "ingest"


def write_settings(store: Store, *urls: str) -> None:
    """The partner's settings, with these feeds."""
    reference = store.local / "reference"
    reference.mkdir(parents=True, exist_ok=True)
    (reference / "taxonomy.txt").write_text(TAXONOMY)
    (reference / "partners.toml").write_text(f"[partners.hansen]\nfeeds = {list(urls)}\n")


def tsv(ids: str, images: str = "http://127.0.0.1:9") -> bytes:
    return as_tsv([(each, f"title {each}", f"{images}/{each}.jpg", "", "1", "") for each in ids])


def drop(store: Store, ids: str, name: str = "big.tsv", images: str = "http://127.0.0.1:9") -> None:
    path = store.local / "inbox" / "hansen" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tsv(ids, images))


def parse(store: Store, instance: dg.DagsterInstance) -> Progress:
    assert register_arrivals(store, instance) == []
    progress = run_jobs(definitions(Settings.read(store=store.root)), instance, [PARSE])
    assert not progress.refused
    return progress


def product_ids(store: Store, key: str) -> tuple[str, str]:
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
    """The address of a real web server over a folder, and the requests that it received."""
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
