"""A refresh of links that several products show: no row is lost, and no product shows another version than its hash."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from catalog.download.delivery import DownloadOptions
from catalog.download.downloader import LinkResult
from catalog.download.journals import Journal
from catalog.download.partition_download import download_links
from catalog.download.shard_plans import ShardPlan, links_of, plan_shards
from tests.catalog.download.download_until_killed import SETTINGS
from tests.catalog.download.raw_server import RawServer, response
from tests.catalog.download.test_cached_images import REFRESH, Shop, download, statuses, stored
from tests.catalog.images.sample_images import jpeg

AGAIN = DownloadOptions()


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with RawServer(shop.reply) as shop.server:
        yield shop


def showing(shop: Shop, **links: int) -> pl.DataFrame:
    """Products and the number of the image that each shows."""
    urls = [f"{shop.server.url}/{number}.jpg" for number in links.values()]
    return pl.DataFrame({"product_id": list(links), "image_url": urls})


def check(outcomes: pl.DataFrame, store: Path, **images: bytes) -> None:
    """Each of these products has its row, in order, and its image; the row's hash is the image's."""
    assert outcomes["product_id"].to_list() == list(images)
    assert stored(store) == images
    assert outcomes["sha256"].to_list() == [hashlib.sha256(image).hexdigest() for image in images.values()]
    assert outcomes["bytes"].to_list() == [len(image) for image in images.values()]
    names = {path.stem for path in (store / "images" / "delivery=d1").iterdir()}
    assert set(outcomes["shard"]) == names


@pytest.mark.parametrize("names", ["a b", "b a", "b c a"], ids=["added after", "added before", "added on both sides"])
def test_a_product_added_to_a_link_that_has_not_changed_gets_its_row(shop: Shop, tmp_path: Path, names: str) -> None:
    former = "b" if names == "b a" else "a"
    download(showing(shop, **{former: 0}), tmp_path)
    wanted = dict.fromkeys(names.split(), 0)
    outcomes = download(showing(shop, **wanted), tmp_path, options=REFRESH)
    check(outcomes, tmp_path, **dict.fromkeys(wanted, shop.images["/0.jpg"]))


def test_a_product_whose_link_changes_to_one_that_another_shows_gets_its_image(shop: Shop, tmp_path: Path) -> None:
    download(showing(shop, a=0, b=1), tmp_path)
    outcomes = download(showing(shop, a=0, b=0), tmp_path, options=REFRESH)
    check(outcomes, tmp_path, a=shop.images["/0.jpg"], b=shop.images["/0.jpg"])


def test_of_two_known_versions_of_a_link_both_products_get_the_one_that_is_current(shop: Shop, tmp_path: Path) -> None:
    current = shop.images["/0.jpg"]
    download(showing(shop, a=0), tmp_path)
    shop.images["/0.jpg"] = jpeg(40, 30, seed=77)
    download(showing(shop, a=0, b=0), tmp_path)  # b is fetched now, in a newer version
    assert len(set(stored(tmp_path).values())) == 2
    shop.images["/0.jpg"] = current  # the shop goes back to the former one
    outcomes = download(showing(shop, a=0, b=0), tmp_path, options=REFRESH)
    check(outcomes, tmp_path, a=current, b=current)


def test_a_product_added_to_a_link_that_is_gone_is_gone_too(shop: Shop, tmp_path: Path) -> None:
    download(showing(shop, a=0, z=1), tmp_path)
    del shop.images["/0.jpg"]
    outcomes = download(showing(shop, a=0, b=0, z=1), tmp_path, options=REFRESH)
    assert statuses(outcomes) == ["gone", "gone", "ok"]


def test_a_product_added_to_a_link_that_fails_keeps_its_own_row_and_the_image_of_the_other(
    shop: Shop, tmp_path: Path
) -> None:
    download(showing(shop, a=0), tmp_path)
    shop.broken["/0.jpg"] = response("500 Oops")
    outcomes = download(showing(shop, a=0, b=0), tmp_path, options=REFRESH)
    assert statuses(outcomes) == ["ok", "http_error"]
    assert stored(tmp_path) == {"a": shop.images["/0.jpg"]}


def test_an_unchanged_link_in_the_journal_of_a_killed_refresh_whose_images_are_lost_is_fetched(
    shop: Shop, tmp_path: Path
) -> None:
    wanted = showing(shop, a=0, b=1)
    download(wanted, tmp_path)
    journal_unchanged(shop, wanted, tmp_path)
    next((tmp_path / "images" / "delivery=d1").iterdir()).unlink()
    first = download(wanted, tmp_path, options=AGAIN)
    assert first["product_id"].to_list() == ["a", "b"]  # no row is lost, though no image came
    assert statuses(first) == ["http_error"] * 2
    check(download(wanted, tmp_path, options=AGAIN), tmp_path, a=shop.images["/0.jpg"], b=shop.images["/1.jpg"])


def test_an_unchanged_link_in_the_journal_of_a_killed_refresh_serves_a_product_that_is_new(
    shop: Shop, tmp_path: Path
) -> None:
    download(showing(shop, a=0, b=1), tmp_path)
    journal_unchanged(shop, showing(shop, a=0, b=1), tmp_path)
    outcomes = download(showing(shop, a=0, b=1, c=0), tmp_path, options=AGAIN)
    first, second = shop.images["/0.jpg"], shop.images["/1.jpg"]
    check(outcomes, tmp_path, a=first, b=second, c=first)


def journal_unchanged(shop: Shop, wanted: pl.DataFrame, store: Path) -> None:
    """Leave what a refresh leaves that is killed before it writes its shard: every link is unchanged."""
    [plan] = plans(wanted, store, refresh=True)
    journal = Journal.of(plan.files.outcomes, plan.files.name)
    journal.open()
    for result in unchanged(plan):
        journal.add(result.url, result.result)


def plans(wanted: pl.DataFrame, store: Path, *, refresh: bool = False) -> list[ShardPlan]:
    folders = {table: UPath(store) / table / "delivery=d1" for table in ("images", "outcomes")}
    return plan_shards(wanted, **folders, shard_rows=25, refresh=refresh)


def unchanged(plan: ShardPlan) -> list[LinkResult]:
    results = [each for batch in download_links({0: list(links_of(plan.todo))}, SETTINGS) for each in batch]
    assert [(each.result.status, each.result.image) for each in results] == [("ok", None)] * len(results)
    return results


@pytest.mark.parametrize("damage", ["another image", "another product's image", "no image"])
def test_a_stored_image_that_is_not_the_recorded_one_is_an_error_that_names_both(
    shop: Shop, tmp_path: Path, damage: str
) -> None:
    download(showing(shop, a=0, b=1), tmp_path)
    [path] = (tmp_path / "images" / "delivery=d1").iterdir()
    table = pl.read_parquet(path)
    first, second = table["sha256"]
    if damage == "another image":
        table = table.with_columns(sha256=pl.Series(["f" * 64, second]))
    elif damage == "another product's image":
        table = table.with_columns(product_id=pl.Series(["b", "a"]))
    else:
        table = table.filter(product_id="b")
    table.cast({"width": pl.Int32}).write_parquet(path)
    shop.broken["/1.jpg"] = response("500 Oops")  # so that the shard is written again
    expected = {
        "another image": rf"image of 'a' in .* is {'f' * 64}, but its outcome was recorded for {first}; remove '.*",
        "another product's image": rf"image of 'a' in .* is {second}, but its outcome was recorded for {first}; remove",
        "no image": "image of 'a' is neither fetched nor in .*; remove its outcomes",
    }
    with pytest.raises(LookupError, match=expected[damage]):
        download(showing(shop, a=0, b=1), tmp_path, options=REFRESH)
