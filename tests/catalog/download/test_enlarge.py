"""A raised limit of stored images: only images that the former limit reduced are fetched again, and only on request."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from catalog.download.cached_images import cached_images
from catalog.download.delivery import DownloadOptions, download_delivery
from catalog.images.outcomes import is_reduced
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.download.download_until_killed import SETTINGS
from tests.catalog.download.shop_deliveries import check_complete, good, stored
from tests.catalog.images.sample_images import jpeg

SMALL, LARGE = replace(SETTINGS, short_side_px=32), replace(SETTINGS, short_side_px=64)
LARGE_ORIGINALS = ["/p/p0.jpg", "/p/p2.jpg", "/p/p4.jpg"]


def original(image_id: str) -> bytes:
    """Images of 120 x 90 pixels with even numbers, and of 40 x 30 pixels with odd ones."""
    number = int(image_id[1:])
    return jpeg(40, 30, seed=number) if number % 2 else jpeg(120, 90, seed=number)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(original, faults={}.get) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "delivery=first")


def run(
    wanted: pl.DataFrame, folder: UPath, settings: object, *, enlarge: bool = False, refresh: bool = False
) -> pl.DataFrame:
    options = DownloadOptions(enlarge=enlarge, refresh=refresh)
    where = {"images": folder / "images", "outcomes": folder / "outcomes"}
    outcomes = download_delivery(wanted, **where, settings=settings, options=options)  # type: ignore[arg-type]
    check_complete(wanted, outcomes, folder)
    return outcomes


def short_sides(outcomes: pl.DataFrame) -> list[int]:
    return outcomes.select(pl.min_horizontal("width", "height")).to_series().to_list()


def test_every_image_is_recorded_with_the_limit_of_its_download(shop: Shop, folder: UPath) -> None:
    outcomes = run(good(shop, 6), folder, SMALL)
    assert outcomes["short_side_limit_px"].to_list() == [32] * 6
    assert short_sides(outcomes) == [32, 30] * 3


def test_a_raised_limit_alone_fetches_nothing_and_changes_no_image(shop: Shop, folder: UPath) -> None:
    before = run(good(shop, 6), folder, SMALL)
    requests = shop.requests.copy()
    assert run(good(shop, 6), folder, LARGE).equals(before)
    assert shop.requests == requests


@pytest.mark.parametrize("refresh", [False, True])
def test_enlarging_fetches_what_the_former_limit_reduced(shop: Shop, folder: UPath, *, refresh: bool) -> None:
    run(good(shop, 6), folder, SMALL)
    requests, images = shop.requests.copy(), stored(folder)
    outcomes = run(good(shop, 6), folder, LARGE, enlarge=True, refresh=refresh)
    assert short_sides(outcomes) == [64, 30] * 3
    if not refresh:
        assert shop.requests - requests == dict.fromkeys(LARGE_ORIGINALS, 1)
    assert all(stored(folder)[f"partner:p{number}"] == images[f"partner:p{number}"] for number in (1, 3, 5))
    assert not outcomes.select(is_reduced(64)).to_series().any()


def test_enlarging_twice_or_to_a_lower_limit_fetches_nothing(shop: Shop, folder: UPath) -> None:
    run(good(shop, 6), folder, LARGE)
    requests, images = shop.requests.copy(), stored(folder)
    run(good(shop, 6), folder, LARGE, enlarge=True)
    run(good(shop, 6), folder, SMALL, enlarge=True)
    assert (shop.requests, stored(folder)) == (requests, images)


def test_an_image_that_cannot_be_fetched_again_stays_as_it_is(folder: UPath) -> None:
    with Shop(original, faults={}.get) as shop:
        wanted = good(shop, 6)
        before = run(wanted, folder, SMALL)
        images = stored(folder)
    assert run(wanted, folder, LARGE, enlarge=True).equals(before)  # the shop is closed
    assert stored(folder) == images


def test_an_image_whose_link_is_gone_stays_as_it_is(folder: UPath) -> None:
    faults: dict[str, Fault] = {}
    with Shop(original, faults=faults.get) as shop:
        before = run(good(shop, 6), folder, SMALL)
        images = stored(folder)
        faults["p2"] = Fault.GONE
        outcomes = run(good(shop, 6), folder, LARGE, enlarge=True)
    assert stored(folder)["partner:p2"] == images["partner:p2"]
    assert short_sides(outcomes) == [64, 30, 32, 30, 64, 30]
    now, then = (each.filter(product_id="partner:p2").drop("shard") for each in (outcomes, before))
    assert now.equals(then)


def test_reduced_images_of_other_deliveries_are_no_copies_of_larger_ones(shop: Shop, folder: UPath) -> None:
    outcomes = run(good(shop, 6), folder, SMALL).with_columns(delivery=pl.lit("first")).lazy()
    links = good(shop, 6)["image_url"]
    assert len(cached_images(outcomes, links, folder.parent)) == 6
    assert sorted(cached_images(outcomes, links, folder.parent, min_limit_px=64)["product_id"]) == [
        "partner:p1",
        "partner:p3",
        "partner:p5",
    ]
