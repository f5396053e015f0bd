"""A delivery whose links lead below image roots is downloaded like any other: outcomes, resume, refresh, limits."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from catalog.download.delivery import DownloadOptions, download_delivery
from catalog.download.host_partitions import plan_host_partitions
from catalog.download.image_roots import HOST_PREFIX
from catalog.download.settings import FetchSettings
from demo.shop import Shop
from tests.catalog.download.download_until_killed import SETTINGS, download, start_downloading
from tests.catalog.download.shop_deliveries import check_complete, image, stored
from tests.patience import until


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of sixty images, a text file, and a link to a file outside."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(60):
        (folder / f"p{index}.jpg").write_bytes(image(f"p{index}"))
    (folder / "text.jpg").write_text("no image")
    (tmp_path / "secret.jpg").write_bytes(image("p1"))
    (folder / "secret.jpg").symlink_to(tmp_path / "secret.jpg")
    return folder


def settings(photos: Path) -> FetchSettings:
    return replace(SETTINGS, image_roots={"photos": str(photos)})


def rows(links: dict[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"product_id": [f"partner:{name}" for name in links], "image_url": list(links.values())})


def good(count: int) -> pl.DataFrame:
    return rows({f"p{index}": f"photos:p{index}.jpg" for index in range(count)})


def statuses(outcomes: pl.DataFrame) -> dict[str, str]:
    return {key.removeprefix("partner:"): status for key, status in outcomes.select("product_id", "status").iter_rows()}


def test_links_of_every_form_and_of_shops_end_in_their_status(photos: Path, tmp_path: Path) -> None:
    with Shop(image) as shop:
        wanted = rows(
            {
                "named": "photos:p1.jpg",
                "relative": "p2.jpg",
                "absolute": f"{photos}/p3.jpg",
                "file": (photos / "p4.jpg").as_uri(),
                "web": f"{shop.url}/p/p5.jpg",
                "missing": "photos:none.jpg",
                "text": "photos:text.jpg",
                "outside": f"{tmp_path}/secret.jpg",
                "link": "photos:secret.jpg",
                "parent": "photos:../secret.jpg",
                "unknown": "videos:p1.jpg",
            }
        )
        outcomes = download(wanted, UPath(tmp_path / "store"), settings(photos))
    check_complete(wanted, outcomes, UPath(tmp_path / "store"))
    good = dict.fromkeys(["named", "relative", "absolute", "file", "web"], "ok")
    bad = {"missing": "gone", "text": "not_an_image", "unknown": "invalid_url"}
    assert statuses(outcomes) == good | bad | dict.fromkeys(["outside", "link", "parent"], "blocked_address")
    assert stored(UPath(tmp_path / "store"))["partner:file"] == image("p4")


def test_without_roots_no_file_is_read(photos: Path, tmp_path: Path) -> None:
    wanted = rows({"named": "photos:p1.jpg", "absolute": f"{photos}/p3.jpg", "file": (photos / "p4.jpg").as_uri()})
    for chosen in (SETTINGS, replace(SETTINGS, parts=str(tmp_path / "parts"))):
        assert set(download(wanted, UPath(tmp_path / "store"), chosen)["status"]) == {"invalid_url"}


def test_second_download_reads_no_file_and_a_refresh_only_changed_ones(photos: Path, tmp_path: Path) -> None:
    folder = UPath(tmp_path / "store")
    first = download(good(60), folder, settings(photos))
    assert set(first["status"]) == {"ok"}
    assert download(good(60), folder, settings(photos)).equals(first)
    (photos / "p7.jpg").write_bytes(image("p70"))
    again = download_delivery(
        good(60),
        images=folder / "images",
        outcomes=folder / "outcomes",
        settings=settings(photos),
        options=DownloadOptions(refresh=True),
    )
    changed = again.filter(again["etag"] != first["etag"])["product_id"].to_list()
    assert changed == ["partner:p7"]
    assert stored(folder)["partner:p7"] == image("p70")


def test_killed_download_reads_no_file_of_a_finished_shard_again(tmp_path: Path) -> None:
    photos, folder = tmp_path / "photos", tmp_path / "store"
    photos.mkdir()
    for index in range(400):
        (photos / f"p{index}.jpg").write_bytes(image(f"p{index % 50}"))
    good(400).write_parquet(tmp_path / "products.parquet")
    killed = start_downloading(tmp_path / "products.parquet", folder, photos)
    until(lambda: len(list(folder.glob("outcomes/*.parquet"))) >= 2, "finished shards", poll_s=0.002)
    killed.kill(signal.SIGKILL)
    finished = pl.read_parquet(sorted(folder.glob("outcomes/*.parquet")))["image_url"].to_list()
    assert 50 <= len(finished) < 400
    for link in finished:
        (photos / link.removeprefix("photos:")).unlink()
    outcomes = download(good(400), UPath(folder), settings(photos))
    check_complete(good(400), outcomes, UPath(folder))
    assert set(outcomes["status"]) == {"ok"}


def test_unmounted_root_is_retried_when_it_is_back(photos: Path, tmp_path: Path) -> None:
    away = photos.with_name("away")
    photos.rename(away)
    assert set(download(good(3), UPath(tmp_path / "store"), settings(photos))["status"]) == {"connect_error"}
    away.rename(photos)
    assert set(download(good(3), UPath(tmp_path / "store"), settings(photos))["status"]) == {"ok"}


def test_root_is_one_host_of_the_planner_whatever_the_form_of_a_link(photos: Path) -> None:
    links = pl.Series([f"photos:{index}.jpg" for index in range(50)] + [f"{photos}/{index}.jpg" for index in range(50)])
    tasks, partitions = plan_host_partitions(links, settings(photos), 2)
    assert tasks.n_unique() == 1
    assert [set(share) for share in partitions.shares if share] == [{f"{HOST_PREFIX}photos"}]


def test_limit_of_bytes_holds_for_files(photos: Path, tmp_path: Path) -> None:
    size = os.path.getsize(photos / "p1.jpg")  # noqa: PTH202 of the file itself
    small = replace(settings(photos), max_bytes=size - 1)
    assert set(download(rows({"p1": "photos:p1.jpg"}), UPath(tmp_path / "store"), small)["status"]) == {"too_large"}
