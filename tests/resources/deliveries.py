"""Deliveries for tests of engines: a shop at many addresses, and the parts that engines must agree on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
from upath import UPath

from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.download.download_until_killed import SETTINGS as LOCAL_SETTINGS
from tests.catalog.images.sample_images import jpeg

SETTINGS = replace(LOCAL_SETTINGS, allowed_networks=("127.0.0.0/8",))
VOLATILE = ["duration_ms", "fetched_at", "attempts"]  # the other columns are the same on every engine


def image(image_id: str) -> bytes:
    return jpeg(40, 30, seed=int(image_id))


@contextmanager
def shop_of(
    hosts: list[str], faults: Callable[[str], Fault | None], port: int, images: Callable[[str], bytes] = image
) -> Iterator[Shop]:
    """A shop at all these addresses."""
    with Shop(images, host=hosts, port=port, faults=faults) as shop:
        yield shop


def products(hosts: list[str], port: int, num_products: int, *, invalid_every: int = 50) -> pl.DataFrame:
    """Links to the hosts in turn, half of them to the first, and a few invalid ones."""
    urls = [
        f"http://{hosts[0] if number % 2 else hosts[number // 2 % len(hosts)]}:{port}/p/{number}.jpg"
        for number in range(num_products)
    ]
    return pl.DataFrame(
        {
            "product_id": [f"a:{number}" for number in range(num_products)],
            "image_url": [None if number % invalid_every == 0 else url for number, url in enumerate(urls)],
        }
    )


def stable(outcomes: pl.DataFrame) -> pl.DataFrame:
    """The columns that are the same on every engine."""
    return outcomes.drop(VOLATILE)


def tables(folder: Path) -> dict[str, UPath]:
    """The folders of a delivery's two tables."""
    return {"images": UPath(folder / "images"), "outcomes": UPath(folder / "outcomes")}


def image_files(folder: Path) -> dict[str, bytes]:
    """The files of the images table, byte by byte."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("images/*"))}
