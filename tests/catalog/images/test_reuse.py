"""Pictures that are held are not asked for again without need, and asked for on condition where that is wanted."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from upath import UPath

from catalog.images.held import Reuse, held_pictures
from catalog.images.shards import download_delivery
from tests.catalog.images.download_until_killed import SETTINGS
from tests.catalog.images.pictures import jpeg
from tests.catalog.images.raw_server import Answer, RawServer, response

QUICK = replace(SETTINGS, max_attempts=1, backoff_s=0.01)


class Shop:
    """Pictures with versions: a server that answers 304 to whoever names the one it has."""

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {f"/{number}.jpg": jpeg(40, 30, seed=number) for number in range(6)}
        self.broken: dict[str, bytes] = {}
        self.has_etags = True
        self._headers: list[str] = []

    def answer(self, path: str) -> Answer:
        if path in self.broken:
            return [self.broken[path]]
        if path not in self.pictures:
            return [response("404 Not Found")]
        data = self.pictures[path]
        etag = hashlib.sha256(data).hexdigest()[:8]
        asked = next(each for each in reversed(self.server.headers) if f"GET {path} " in each)
        if self.has_etags and f'If-None-Match: "{etag}"' in asked:
            return [response("304 Not Modified")]
        return [response("200 OK", data, *([f'ETag: "{etag}"'] if self.has_etags else []))]


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with RawServer(shop.answer) as shop.server:
        yield shop


def products(shop: Shop, *, prefix: str = "p", numbers: range = range(6)) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "product_id": [f"{prefix}{number}" for number in numbers],
            "image_url": [f"{shop.server.url}/{number}.jpg" for number in numbers],
        }
    )


def download(wanted: pl.DataFrame, store: Path, delivery: str = "d1", reuse: Reuse | None = None) -> pl.DataFrame:
    folders = {table: UPath(store) / table / f"delivery={delivery}" for table in ("images", "outcomes")}
    return download_delivery(wanted, **folders, settings=QUICK, reuse=reuse or Reuse())


def stored(store: Path, delivery: str = "d1") -> dict[str, bytes]:
    rows = [
        row
        for path in sorted((store / "images" / f"delivery={delivery}").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    return {row["product_id"]: row["image"]["bytes"] for row in rows}


def statuses(outcomes: pl.DataFrame) -> list[str]:
    return outcomes["status"].to_list()


REFRESH = Reuse(refresh=True)


def test_an_unchanged_picture_is_asked_for_on_condition_and_stays(shop: Shop, tmp_path: Path) -> None:
    first = download(products(shop), tmp_path)
    before = stored(tmp_path)
    again = download(products(shop), tmp_path, reuse=REFRESH)
    assert stored(tmp_path) == before
    assert again.drop("fetched_at").equals(first.drop("fetched_at"))
    assert (again["fetched_at"] > first["fetched_at"]).all()
    assert all(num == 2 for num in shop.server.requests.values())
    assert sum("If-None-Match" in each for each in shop.server.headers) == 6


def test_a_changed_picture_replaces_the_old_one(shop: Shop, tmp_path: Path) -> None:
    download(products(shop), tmp_path)
    shop.pictures["/2.jpg"] = jpeg(40, 30, seed=99)
    outcomes = download(products(shop), tmp_path, reuse=REFRESH)
    assert statuses(outcomes) == ["ok"] * 6
    assert stored(tmp_path) == {f"p{number}": shop.pictures[f"/{number}.jpg"] for number in range(6)}


def test_a_server_that_names_no_versions_is_asked_for_the_whole(shop: Shop, tmp_path: Path) -> None:
    shop.has_etags = False
    download(products(shop), tmp_path)
    shop.pictures["/2.jpg"] = jpeg(40, 30, seed=99)
    download(products(shop), tmp_path, reuse=REFRESH)
    assert stored(tmp_path)["p2"] == shop.pictures["/2.jpg"]


def test_a_picture_that_is_gone_goes_and_one_that_cannot_be_had_now_stays(shop: Shop, tmp_path: Path) -> None:
    first = download(products(shop), tmp_path)
    del shop.pictures["/1.jpg"]
    shop.broken["/4.jpg"] = response("500 Oops")
    outcomes = download(products(shop), tmp_path, reuse=REFRESH)
    assert statuses(outcomes) == ["ok", "gone", "ok", "ok", "ok", "ok"]
    assert set(stored(tmp_path)) == {"p0", "p2", "p3", "p4", "p5"}
    assert outcomes.row(4) == first.row(4)


def test_a_304_that_nobody_asked_for_is_an_error_of_the_server(shop: Shop, tmp_path: Path) -> None:
    shop.broken["/0.jpg"] = response("304 Not Modified")
    assert statuses(download(products(shop), tmp_path))[0] == "http_error"


def reuse_of(store: Path, wanted: pl.DataFrame) -> Reuse:
    outcomes = pl.scan_parquet(store / "outcomes", hive_partitioning=True)
    return Reuse(held=held_pictures(outcomes, wanted["image_url"], UPath(store) / "images"))


def test_a_link_of_another_delivery_is_copied_and_not_asked_for(shop: Shop, tmp_path: Path) -> None:
    download(products(shop, numbers=range(4)), tmp_path)
    before = shop.server.requests.copy()
    wanted = products(shop, prefix="q")
    outcomes = download(wanted, tmp_path, "d2", reuse_of(tmp_path, wanted))
    assert shop.server.requests - before == {"/4.jpg": 1, "/5.jpg": 1}
    assert statuses(outcomes) == ["ok"] * 6
    assert outcomes["attempts"].to_list() == [0, 0, 0, 0, 1, 1]
    assert stored(tmp_path, "d2") == {f"q{number}": shop.pictures[f"/{number}.jpg"] for number in range(6)}
    assert outcomes["shard"].unique().to_list() == ["shard-00000"]
    held = pl.read_parquet(tmp_path / "outcomes" / "delivery=d1" / "*.parquet")
    assert outcomes["sha256"][:4].equals(held["sha256"])
    assert outcomes["etag"][:4].equals(held["etag"])


def test_a_copy_that_is_gone_meanwhile_is_asked_for_after_all(shop: Shop, tmp_path: Path) -> None:
    download(products(shop), tmp_path)
    wanted = products(shop, prefix="q")
    reuse = reuse_of(tmp_path, wanted)
    (tmp_path / "images" / "delivery=d1" / "shard-00000.parquet").unlink()
    assert statuses(download(wanted, tmp_path, "d2", reuse)) == ["ok"] * 6
    assert all(num == 2 for num in shop.server.requests.values())


def test_a_dead_link_of_another_delivery_is_asked_for_again(shop: Shop, tmp_path: Path) -> None:
    kept = shop.pictures.pop("/3.jpg")
    download(products(shop), tmp_path)
    shop.pictures["/3.jpg"] = kept
    wanted = products(shop, prefix="q")
    assert statuses(download(wanted, tmp_path, "d2", reuse_of(tmp_path, wanted))) == ["ok"] * 6


def test_a_removed_product_is_not_asked_for_but_keeps_what_it_has(shop: Shop, tmp_path: Path) -> None:
    wanted = products(shop)
    download(wanted, tmp_path)
    before = shop.server.requests.copy()
    later = pl.concat([wanted, products(shop, prefix="new")]).with_columns(
        is_removed=pl.col("product_id").is_in(["p1", "p2", "new3"])
    )
    outcomes = download(later, tmp_path, reuse=Reuse())
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
