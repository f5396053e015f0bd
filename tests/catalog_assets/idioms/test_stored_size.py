"""An encoder above the size of the stored images is refused with both numbers and the way out."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog_assets.idioms.stored_size import refuse_above_stored_size
from ml.recipe_types import EncoderRecipe
from resources.images import StoredImages
from resources.store import Store


def recipe(resolution: int) -> EncoderRecipe:
    return EncoderRecipe(name="photos", backbone="resnet18", weights="random", resolution=resolution)


def outcomes(*images: tuple[str, int, int, int | None]) -> pl.DataFrame:
    """Outcomes of images, each a product's id with width, height and limit."""
    names = ("product_id", "width", "height", "short_side_limit_px")
    rows = [dict(zip(names, image, strict=True)) | {"sha256": image[0], "status": "ok"} for image in images]
    return pl.DataFrame(rows, schema=OUTCOMES_SCHEMA)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with two large originals, one reduced to 256 px and one to 320 px, and a small one."""
    store = Store(root=str(tmp_path))
    first = outcomes(("reduced", 256, 341, 256), ("small", 200, 300, 256))
    store.write(first.drop("short_side_limit_px"), "outcomes", "a-first")  # before limits were recorded
    store.write(outcomes(("large", 320, 400, 320)), "outcomes", "b-second")
    return store


def rows(*names: str) -> pl.DataFrame:
    return pl.DataFrame({"product_id": names, "sha256": names})


def refuse(store: Store, resolution: int, short_side_px: int, *names: str) -> None:
    stored_images = StoredImages(store=store, short_side_px=short_side_px)
    refuse_above_stored_size(recipe(resolution), rows(*names), store, stored_images)


def test_a_resolution_above_the_setting_is_refused_with_both_numbers(store: Store) -> None:
    with pytest.raises(dg.Failure, match=r"'photos' has the resolution 300 px, .* side of 256 px .* = 300 .*'enlarge'"):
        refuse(store, 300, 256, "small")


def test_images_that_a_former_setting_reduced_are_refused_with_their_number(store: Store) -> None:
    with pytest.raises(dg.Failure, match=r"resolution 300 px, but 1 of 3 images were reduced .* job 'enlarge'"):
        refuse(store, 300, 320, "reduced", "small", "large")


def test_small_originals_and_images_outside_the_dataset_are_no_reason(store: Store) -> None:
    refuse(store, 300, 320, "small", "large")
    refuse(store, 256, 256, "reduced", "small", "large")


def test_a_dataset_without_downloads_is_checked_by_the_setting_alone(tmp_path: Path) -> None:
    refuse(Store(root=str(tmp_path)), 256, 256, "brought")
    with pytest.raises(dg.Failure, match=r"has the resolution 257 px"):
        refuse(Store(root=str(tmp_path)), 257, 256, "brought")
