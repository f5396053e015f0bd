"""Catalog prediction: a deployment's predictions for images of stored shards, as a table; the same on any engine."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl
from upath import UPath

from ml.deployment.categories import CategoryPredictions
from ml.deployment.deployment import Deployment
from resources.pixel_decoding import decode_ahead
from resources.shard_images import shard_images

PREDICTIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "product_id": pl.String,
    "category_id": pl.Int64,  # the deepest that is confident enough for the coverage; null where not even the root is
    "depth": pl.Int8,  # its level in the classifier's hierarchy, 1 for the root
    "probability": pl.Float32,
    "leaf_id": pl.Int64,  # the most probable leaf, whatever its probability
    "leaf_probability": pl.Float32,
    "alternatives": pl.List(pl.Struct({"category_id": pl.Int64, "probability": pl.Float32})),
}
Image = tuple[str, bytes]  # a product's id and its encoded image


def predict(
    deployment: Deployment, images: Iterable[Image], coverage: float, batch_size: int, num_threads: int
) -> Iterator[pl.DataFrame]:
    """Predicts the categories of products' images; yields rows of `PREDICTIONS`, a batch at a time, in their order.

    Args:
        deployment: predicts, in this thread.
        images: encoded; read a few batches ahead.
        coverage: the share of predictions that have to be right.
        batch_size: images.
        num_threads: that decode images.

    Raises:
        ValueError: an image cannot be decoded; the message names its product.
    """
    ids: list[list[str]] = []  # of the batches that are being decoded

    def encoded() -> Iterator[list[bytes]]:
        for batch in _batches(images, batch_size):
            ids.append([product_id for product_id, _ in batch])
            yield [data for _, data in batch]

    decoded = decode_ahead(encoded(), deployment.resolution, num_threads, fit=deployment.fit)
    while True:
        try:
            pixels = next(decoded, None)
        except ValueError as error:
            between = f"{ids[0][0]!r} to {ids[0][-1]!r}"
            raise ValueError(f"among the images of {between}: {error}; materialize their images again") from error
        if pixels is None:
            return
        yield predictions_table(ids.pop(0), deployment.predict(pixels, coverage))


def predictions_table(product_ids: Sequence[str], predictions: CategoryPredictions) -> pl.DataFrame:
    """Converts predictions of a classifier to rows of `PREDICTIONS`."""
    categories = predictions.categories
    leaves, probabilities = predictions.leaves[:, 1:].tolist(), predictions.leaf_probabilities[:, 1:].tolist()
    alternatives = [
        [{"category_id": leaf, "probability": probability} for leaf, probability in zip(*of_image, strict=True)]
        for of_image in zip(leaves, probabilities, strict=True)
    ]
    return pl.DataFrame(
        {
            "product_id": product_ids,
            "category_id": pl.Series(categories).set(pl.Series(categories < 0), None),
            "depth": predictions.depths.astype(np.int8),
            "probability": predictions.probabilities.astype(np.float32),
            "leaf_id": predictions.leaves[:, 0],
            "leaf_probability": predictions.leaf_probabilities[:, 0].astype(np.float32),
            "alternatives": alternatives,
        },
        schema=PREDICTIONS,
    )


def images_of(images: UPath, wanted: pl.DataFrame) -> Iterator[Image]:
    """Yields products with their images, one shard in memory at a time.

    `wanted` has the columns product_id and shard, and sha256 where images are to be compared with what is recorded.
    """
    for (shard,), part in wanted.group_by("shard", maintain_order=True):
        recorded = part["sha256"] if "sha256" in part.columns else None
        yield from zip(part["product_id"], shard_images(images, str(shard), part["product_id"], recorded), strict=True)


def _batches(images: Iterable[Image], size: int) -> Iterator[list[Image]]:
    batch: list[Image] = []
    for image in images:
        batch.append(image)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
