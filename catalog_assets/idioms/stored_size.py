"""Stored size: refuses an encoder whose resolution is above that of the stored images, which would be blurred."""

import dagster as dg
import polars as pl

from catalog.images.outcomes import is_reduced
from ml.recipe_types import EncoderRecipe
from resources.images import StoredImages
from resources.store import Store
from resources.stored_size import above_setting


def refuse_above_stored_size(
    recipe: EncoderRecipe, rows: pl.DataFrame, store: Store, stored_images: StoredImages
) -> None:
    """Raises Failure where images are stored, or were stored, with a shorter side than the encoder's resolution.

    Images whose original was smaller are no reason: no setting makes them larger.

    Args:
        recipe: the encoder that is to be trained or used.
        rows: product_id and sha256 of the images.
        store: has the limit with which each image was stored.
        stored_images: has the limit of today's settings.
    """
    if problem := above_setting(recipe, stored_images.short_side_px):
        raise dg.Failure(f"encoder {recipe.name!r} {problem}")
    if not store.partitions("outcomes"):  # a dataset of its own, without downloads
        return
    reduced = store.scan("outcomes").filter(is_reduced(recipe.resolution)).select("product_id", "sha256").collect()
    num_reduced = len(rows.join(reduced, on=["product_id", "sha256"], how="semi"))
    if num_reduced:
        raise dg.Failure(
            f"encoder {recipe.name!r} has the resolution {recipe.resolution} px, but {num_reduced:,} of "
            f"{len(rows):,} images were reduced to a shorter side when images.short_side_px was smaller; run the job "
            "'enlarge' for their deliveries, which fetches these again, or lower the resolution"
        )
