"""Labelling: a deployment's answers for the pictures of stored shards, as a table; the same on any engine."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl
from upath import UPath

from ml.deployment.answers import Answers
from ml.deployment.deployment import Deployment
from resources.pixel_decoders import PixelDecoders
from resources.shard_pictures import shard_pictures

LABELS: dict[str, pl.DataType | type[pl.DataType]] = {
    "product_id": pl.String,
    "category_id": pl.Int64,  # the deepest that clears the coverage; null where not even the root does
    "depth": pl.Int8,  # how many levels of the classifier it lies deep
    "probability": pl.Float32,
    "leaf_id": pl.Int64,  # the best guess, however sure
    "leaf_probability": pl.Float32,
    "alternatives": pl.List(pl.Struct({"category_id": pl.Int64, "probability": pl.Float32})),
}
Picture = tuple[str, bytes]  # a product's id and its encoded picture


def label(
    deployment: Deployment, pictures: Iterable[Picture], coverage: float, decoders: PixelDecoders, batch_size: int
) -> Iterator[pl.DataFrame]:
    """Rows of `LABELS` of some products' pictures, a batch at a time and in their order.

    Raises:
        ValueError: a picture cannot be decoded; the message names its product.
    """
    ids: list[list[str]] = []  # of the batches that are being decoded

    def encoded() -> Iterator[list[bytes]]:
        for batch in _batches(pictures, batch_size):
            ids.append([product_id for product_id, _ in batch])
            yield [data for _, data in batch]

    decoded = decoders.decoded(encoded())
    while True:
        try:
            pixels = next(decoded, None)
        except ValueError as error:
            among = f"{ids[0][0]!r} to {ids[0][-1]!r}"
            raise ValueError(f"among the pictures of {among}: {error}; materialise their images again") from error
        if pixels is None:
            return
        yield labels_of(ids.pop(0), deployment.answer(pixels, coverage))


def labels_of(product_ids: Sequence[str], answers: Answers) -> pl.DataFrame:
    """Rows of `LABELS` of a classifier's answers."""
    categories = answers.categories
    others = [
        [{"category_id": leaf, "probability": probability} for leaf, probability in zip(*each, strict=True)]
        for each in zip(answers.leaves[:, 1:].tolist(), answers.leaf_probabilities[:, 1:].tolist(), strict=True)
    ]
    return pl.DataFrame(
        {
            "product_id": product_ids,
            "category_id": pl.Series(categories).set(pl.Series(categories < 0), None),
            "depth": answers.depths.astype(np.int8),
            "probability": answers.probabilities.astype(np.float32),
            "leaf_id": answers.leaves[:, 0],
            "leaf_probability": answers.leaf_probabilities[:, 0].astype(np.float32),
            "alternatives": others,
        },
        schema=LABELS,
    )


def pictures_of(images: UPath, wanted: pl.DataFrame) -> Iterator[Picture]:
    """Products and pictures of a delivery, a shard in memory at a time; `wanted` has product_id and shard."""
    for (shard,), part in wanted.group_by("shard", maintain_order=True):
        yield from zip(part["product_id"], shard_pictures(images, str(shard), part["product_id"]), strict=True)


def _batches(pictures: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    batch: list[Picture] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
