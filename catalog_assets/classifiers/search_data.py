"""Search data: the embeddings, images and labels on which the trials of a search train and are evaluated."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog.taxonomy.business_value import values_at_level
from catalog_assets.idioms.versions import content_version
from ml.search.recipe import SearchRecipe
from resources.artifacts.embeddings import StoredEmbeddings
from resources.images import StoredImages
from resources.recipes import RECIPES
from resources.store import Store

if TYPE_CHECKING:
    from ml.search.objective import Finetuning, SearchData


def search_inputs_sha256(recipe: SearchRecipe, rows: pl.DataFrame, store: Store) -> str:
    """Hash everything that trials train and are evaluated on: images, labels, splits and encoders."""
    content = rows.select("product_id", "sha256", "split", "label_rank", *LEVEL_COLUMNS)
    encoders = [store.fingerprint("encoders", name) for name in recipe.space.encoders]
    return hashlib.sha256("\n".join([content_version(content).value, *encoders]).encode()).hexdigest()


def finetuning_objective(
    recipe: SearchRecipe, rows: pl.DataFrame, folder: Path, store: Store, stored_images: StoredImages
) -> "Finetuning":
    """Build the objective of a search: the recipe's metric on labeled validation images.

    The embeddings are written into `folder`, a file per encoder.
    """
    from ml.search.metrics import Score
    from ml.search.objective import Finetuning

    training = _positions(rows, pl.col("label_rank") < recipe.base.label_fraction)
    validation = _positions(rows, (pl.col("split") == "val") & labeled)
    values: dict[int, float] = {}
    if recipe.metric == "value_weighted_accuracy":
        taxonomy = store.taxonomy()
        values = values_at_level(store.business_values(taxonomy), taxonomy, len(LEVEL_COLUMNS))
    used = np.concatenate([training, validation])
    return Finetuning(
        base=recipe.base,
        library={name: _search_data(name, rows, used, folder, store, stored_images) for name in recipe.space.encoders},
        labels=rows.select(pl.col(LEVEL_COLUMNS).fill_null(0)).to_numpy(),  # rows without a label are not used
        training=training,
        validation=validation,
        score=Score(recipe.metric, values),
    )


def _search_data(
    name: str, rows: pl.DataFrame, used: np.ndarray, folder: Path, store: Store, stored_images: StoredImages
) -> "SearchData":
    """One encoder, its embeddings of the images that are used, and all images' pixels, as files."""
    from ml.search.objective import SearchData

    vectors = StoredEmbeddings(store, name).of(rows[used])
    path = folder / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    # A row for every image keeps the positions; the file is sparse, so rows that are not written take no space.
    matrix = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(len(rows), vectors.shape[1]))
    matrix[used] = vectors
    matrix.flush()
    encoder = RECIPES.encoder(name)
    pixels: Any = stored_images.pixels(rows, encoder.resolution, encoder.fit)
    return SearchData(
        encoder=store.sync_down("encoders", name),
        embeddings=path,
        pixels=Path(str(pixels.filename)) if isinstance(pixels, np.memmap) else pixels,
    )


def _positions(rows: pl.DataFrame, chosen: pl.Expr) -> np.ndarray:
    return np.flatnonzero(rows.select(chosen.fill_null(value=False)).to_series().to_numpy())
