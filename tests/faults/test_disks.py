"""A disk that is full fails the delivery with an error that names the place; with space it goes on and ends."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from upath import UPath

from catalog.storage.files import StoreNotWritableError
from demo.shop import Shop
from tests.catalog.download.download_until_killed import download
from tests.catalog.images.sample_images import encoded
from tests.conftest import REPOSITORY
from tests.faults.small_disk import mounted

NUM_PRODUCTS = 100


def image(image_id: str) -> bytes:
    """Noise: some 10 kB that nothing makes smaller."""
    pixels = np.random.default_rng(int(image_id[1:])).integers(0, 256, (80, 80, 3), np.uint8)
    return encoded(Image.fromarray(pixels), quality=90)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(image, faults={}.get) as opened:
        yield opened


def products(shop: Shop, num: int = NUM_PRODUCTS) -> pl.DataFrame:
    links = [f"{shop.url}/p/p{number}.jpg" for number in range(num)]
    return pl.DataFrame({"product_id": [f"s:{number}" for number in range(num)], "image_url": links})


def test_a_file_that_cannot_grow_fails_the_delivery_and_the_next_run_completes_it(shop: Shop, tmp_path: Path) -> None:
    table, store = tmp_path / "products.parquet", tmp_path / "store"
    download(products(shop, 25), UPath(store))  # a first shard, of a day when there was space
    first_shard = next(store.glob("images/shard-00000-*.parquet")).stat().st_mtime_ns
    products(shop).write_parquet(table)
    command = [sys.executable, "-m", "tests.faults.download_on_small_disk", str(table), str(store), "60000"]
    failed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert f"StoreNotWritableError: cannot write '{store}" in failed.stderr
    assert "File too large; make that place writable or set SHELFSIGHT_STORE" in failed.stderr

    before = shop.requests.total()
    outcomes = download(products(shop), UPath(store))
    assert set(outcomes["status"]) == {"ok"}
    assert next(store.glob("images/shard-00000-*.parquet")).stat().st_mtime_ns == first_shard
    assert shop.requests.total() - before < NUM_PRODUCTS - 25  # what had come was in the journals


def one_image_for_all(shop: Shop, num: int) -> pl.DataFrame:
    """Products that show the same image: in the journal it lies once, in the shard for each of them."""
    return products(shop, num).with_columns(image_url=pl.lit(f"{shop.url}/p/p0.jpg"))


def test_a_shard_for_which_the_space_does_not_suffice_is_named_and_made_good(shop: Shop, tmp_path: Path) -> None:
    table, store = tmp_path / "products.parquet", tmp_path / "store"
    one_image_for_all(shop, 25).write_parquet(table)
    command = [sys.executable, "-m", "tests.faults.download_on_small_disk", str(table), str(store), "60000"]
    failed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    named = rf"StoreNotWritableError: cannot write '{store}/images/shard-00000-[0-9a-f]+\.parquet': File too large"
    assert re.search(named, failed.stderr)
    assert [path.name for path in store.rglob("*") if path.is_file()] == [".shard-00000.journal"]

    assert set(download(one_image_for_all(shop, 25), UPath(store))["status"]) == {"ok"}
    assert shop.requests.total() == 1  # the image was in the journal


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    with mounted(tmp_path / "disk", "512k") as place:
        yield place


def test_a_full_disk_fails_the_delivery_and_space_lets_it_end(shop: Shop, small_disk: Path) -> None:
    wanted = products(shop)
    download(products(shop, 25), UPath(small_disk))  # a first shard, of a day when there was space
    finished = {path: path.read_bytes() for path in small_disk.rglob("shard-00000*.parquet")}
    assert len(finished) == 2
    with pytest.raises(StoreNotWritableError, match=r"cannot write .*disk/.*No space left on device; make that place"):
        download(wanted, UPath(small_disk))
    assert not list(small_disk.rglob("*.writing"))
    assert {path: path.read_bytes() for path in finished} == finished
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert set(download(wanted, UPath(small_disk))["status"]) == {"ok"}
    assert {path: path.read_bytes() for path in finished} == finished
    assert all(shop.requests[f"/p/p{number}.jpg"] == 1 for number in range(25))
    assert max(shop.requests.values()) <= 2


def test_a_disk_that_is_full_in_mid_shard_is_named(shop: Shop, small_disk: Path) -> None:
    wanted = one_image_for_all(shop, 75)
    # Whichever of the two meets the full disk first: they are written side by side.
    shard = rf"{small_disk}/(images|outcomes)/shard-0000\d[-0-9a-f]*\.parquet"
    with pytest.raises(StoreNotWritableError, match=rf"cannot write '{shard}': No space left on device"):
        download(wanted, UPath(small_disk))
    assert not list(small_disk.rglob("*.writing"))
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert set(download(wanted, UPath(small_disk))["status"]) == {"ok"}
