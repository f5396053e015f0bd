"""Stored images are not fetched again without need, and conditionally where that is requested."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from upath import UPath

from catalog.download.cached_images import cached_images
from catalog.download.delivery import DownloadOptions, download_delivery
from tests.catalog.download.download_until_killed import SETTINGS
from tests.catalog.download.raw_server import RawServer, Reply, response
from tests.catalog.images.sample_images import jpeg

QUICK = replace(SETTINGS, max_attempts=1, backoff_s=0.01)


class Shop:
    """A server of images with versions, which returns 304 for a request that names the current one."""

    def __init__(self) -> None:
        self.images: dict[str, bytes] = {f"/{number}.jpg": jpeg(40, 30, seed=number) for number in range(6)}
        self.broken: dict[str, bytes] = {}
        self.has_etags = True
        self._headers: list[str] = []

    def reply(self, path: str) -> Reply:
        if path in self.broken:
            return [self.broken[path]]
        if path not in self.images:
            return [response("404 Not Found")]
        data = self.images[path]
        etag = hashlib.sha256(data).hexdigest()[:8]
        request = next(headers for headers in reversed(self.server.headers) if f"GET {path} " in headers)
        if self.has_etags and f'If-None-Match: "{etag}"' in request:
            return [response("304 Not Modified")]
        return [response("200 OK", data, *([f'ETag: "{etag}"'] if self.has_etags else []))]


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with RawServer(shop.reply) as shop.server:
        yield shop


def products(shop: Shop, *, prefix: str = "p", numbers: range = range(6)) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "product_id": [f"{prefix}{number}" for number in numbers],
            "image_url": [f"{shop.server.url}/{number}.jpg" for number in numbers],
        }
    )


def download(
    wanted: pl.DataFrame, store: Path, delivery: str = "d1", options: DownloadOptions | None = None
) -> pl.DataFrame:
    folders = {table: UPath(store) / table / f"delivery={delivery}" for table in ("images", "outcomes")}
    return download_delivery(wanted, **folders, settings=QUICK, options=options or DownloadOptions())


def stored(store: Path, delivery: str = "d1") -> dict[str, bytes]:
    rows = [
        row
        for path in sorted((store / "images" / f"delivery={delivery}").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    return {row["product_id"]: row["image"]["bytes"] for row in rows}


def names(store: Path, delivery: str = "d1") -> list[str]:
    """The names of a delivery's files of images, without suffix."""
    return sorted(path.stem for path in (store / "images" / f"delivery={delivery}").iterdir())


def statuses(outcomes: pl.DataFrame) -> list[str]:
    return outcomes["status"].to_list()


REFRESH = DownloadOptions(refresh=True)


def test_unchanged_image_is_fetched_conditionally_and_stays(shop: Shop, tmp_path: Path) -> None:
    first = download(products(shop), tmp_path)
    before = stored(tmp_path)
    again = download(products(shop), tmp_path, options=REFRESH)
    assert stored(tmp_path) == before
    assert again.drop("fetched_at").equals(first.drop("fetched_at"))
    assert (again["fetched_at"] > first["fetched_at"]).all()
    assert all(num == 2 for num in shop.server.requests.values())
    assert sum("If-None-Match" in each for each in shop.server.headers) == 6


def test_changed_image_replaces_the_old_one(shop: Shop, tmp_path: Path) -> None:
    download(products(shop), tmp_path)
    shop.images["/2.jpg"] = jpeg(40, 30, seed=99)
    outcomes = download(products(shop), tmp_path, options=REFRESH)
    assert statuses(outcomes) == ["ok"] * 6
    assert stored(tmp_path) == {f"p{number}": shop.images[f"/{number}.jpg"] for number in range(6)}


def test_without_versions_the_whole_image_is_fetched_again(shop: Shop, tmp_path: Path) -> None:
    shop.has_etags = False
    download(products(shop), tmp_path)
    shop.images["/2.jpg"] = jpeg(40, 30, seed=99)
    download(products(shop), tmp_path, options=REFRESH)
    assert stored(tmp_path)["p2"] == shop.images["/2.jpg"]


def test_gone_image_is_removed_and_an_unreachable_one_stays(shop: Shop, tmp_path: Path) -> None:
    first = download(products(shop), tmp_path)
    del shop.images["/1.jpg"]
    shop.broken["/4.jpg"] = response("500 Oops")
    outcomes = download(products(shop), tmp_path, options=REFRESH)
    assert statuses(outcomes) == ["ok", "gone", "ok", "ok", "ok", "ok"]
    assert set(stored(tmp_path)) == {"p0", "p2", "p3", "p4", "p5"}
    assert outcomes.drop("shard").row(4) == first.drop("shard").row(4)


def test_unrequested_304_is_an_error_of_the_server(shop: Shop, tmp_path: Path) -> None:
    shop.broken["/0.jpg"] = response("304 Not Modified")
    assert statuses(download(products(shop), tmp_path))[0] == "http_error"


def cached_for(store: Path, wanted: pl.DataFrame) -> DownloadOptions:
    outcomes = pl.scan_parquet(store / "outcomes", hive_partitioning=True)
    return DownloadOptions(cached=cached_images(outcomes, wanted["image_url"], UPath(store) / "images"))


def test_link_of_another_delivery_is_copied_and_not_fetched(shop: Shop, tmp_path: Path) -> None:
    download(products(shop, numbers=range(4)), tmp_path)
    before = shop.server.requests.copy()
    wanted = products(shop, prefix="q")
    outcomes = download(wanted, tmp_path, "d2", cached_for(tmp_path, wanted))
    assert shop.server.requests - before == {"/4.jpg": 1, "/5.jpg": 1}
    assert statuses(outcomes) == ["ok"] * 6
    assert outcomes["attempts"].to_list() == [0, 0, 0, 0, 1, 1]
    assert stored(tmp_path, "d2") == {f"q{number}": shop.images[f"/{number}.jpg"] for number in range(6)}
    assert outcomes["shard"].unique().to_list() == names(tmp_path, "d2")
    other = pl.read_parquet(tmp_path / "outcomes" / "delivery=d1" / "*.parquet")
    assert outcomes["sha256"][:4].equals(other["sha256"])
    assert outcomes["etag"][:4].equals(other["etag"])


def test_link_whose_cached_image_is_gone_is_fetched(shop: Shop, tmp_path: Path) -> None:
    download(products(shop), tmp_path)
    wanted = products(shop, prefix="q")
    options = cached_for(tmp_path, wanted)
    next((tmp_path / "images" / "delivery=d1").iterdir()).unlink()
    assert statuses(download(wanted, tmp_path, "d2", options)) == ["ok"] * 6
    assert all(num == 2 for num in shop.server.requests.values())


def test_dead_link_of_another_delivery_is_fetched_again(shop: Shop, tmp_path: Path) -> None:
    kept = shop.images.pop("/3.jpg")
    download(products(shop), tmp_path)
    shop.images["/3.jpg"] = kept
    wanted = products(shop, prefix="q")
    assert statuses(download(wanted, tmp_path, "d2", cached_for(tmp_path, wanted))) == ["ok"] * 6


def test_removed_product_is_not_fetched_but_keeps_its_image(shop: Shop, tmp_path: Path) -> None:
    wanted = products(shop)
    download(wanted, tmp_path)
    before = shop.server.requests.copy()
    later = pl.concat([wanted, products(shop, prefix="new")]).with_columns(
        is_removed=pl.col("product_id").is_in(["p1", "p2", "new3"])
    )
    outcomes = download(later, tmp_path, options=DownloadOptions())
    assert outcomes["product_id"].to_list() == [*wanted["product_id"], "new0", "new1", "new2", "new4", "new5"]
    assert statuses(outcomes) == ["ok"] * 11
    assert (shop.server.requests - before)["/3.jpg"] == 0
    assert {"p1", "p2"} <= set(stored(tmp_path))
    assert download(later, tmp_path).equals(outcomes)


def test_outcomes_of_an_earlier_version_without_etags_still_count(shop: Shop, tmp_path: Path) -> None:
    download(products(shop), tmp_path)
    path = tmp_path / "outcomes" / "delivery=d1" / "shard-00000.parquet"
    pl.read_parquet(path).drop("etag", "last_modified").write_parquet(path)
    assert statuses(download(products(shop), tmp_path)) == ["ok"] * 6
    assert all(num == 1 for num in shop.server.requests.values())
