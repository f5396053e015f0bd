"""Deliveries of the tests' shop: their rows, and checks of their files in the store."""

import hashlib

import polars as pl
import pyarrow.parquet as pq
from upath import UPath

from catalog.images.outcomes import OUTCOMES_SCHEMA
from demo.shop import Shop
from tests.catalog.download.raw_server import RawServer
from tests.catalog.images.sample_images import jpeg, pixels


def image(image_id: str) -> bytes:
    return jpeg(40, 30, seed=int(image_id[1:]))


def products(shop: Shop | RawServer, *image_ids: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "product_id": [f"partner:{image_id}" for image_id in image_ids],
            "image_url": [f"{shop.url}/p/{image_id}.jpg" for image_id in image_ids],
        }
    )


def good(shop: Shop | RawServer, num_products: int) -> pl.DataFrame:
    return products(shop, *(f"p{index}" for index in range(num_products)))


def stored(folder: UPath) -> dict[str, bytes]:
    """The stored images by product_id, each checked to be whole and to match its row."""
    rows = [row for path in sorted((folder / "images").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    for row in rows:
        assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == row["sha256"]
        assert pixels(row["image"]["bytes"]).shape == (row["height"], row["width"], 3)
    by_id = {row["product_id"]: row["image"]["bytes"] for row in rows}
    assert len(by_id) == len(rows)
    return by_id


def check_complete(wanted: pl.DataFrame, outcomes: pl.DataFrame, folder: UPath) -> None:
    """Every product has exactly one outcome, in order, and exactly those that are ok have an image."""
    assert outcomes.schema == OUTCOMES_SCHEMA
    assert outcomes.select("product_id", "image_url").equals(wanted.select("product_id", "image_url"))
    ok = outcomes.filter(status="ok")
    images = stored(folder)
    assert set(ok["product_id"]) == set(images)
    for product_id, sha256, num_bytes in ok.select("product_id", "sha256", "bytes").iter_rows():
        assert hashlib.sha256(images[product_id]).hexdigest() == sha256
        assert len(images[product_id]) == num_bytes
