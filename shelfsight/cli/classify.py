"""`shelfsight classify`: predicts the category of images with the deployed champion, in batches, at flat memory."""

import asyncio
import errno
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from catalog.images.statuses import Status
from catalog.storage.cores import num_cores
from ml.deployment.categories import CategoryPredictions
from ml.deployment.deployment import Deployment
from ml.deployment.variants import Machine
from ml.pixels import decode_pixels
from resources.artifacts.deployments import current_deployment
from shelfsight.cli.image_inputs import ImageInput
from shelfsight.cli.image_loading import NO_FILE, LoadedImage, fetch_settings, load_images

BATCH_SIZE = 32
BELOW_COVERAGE = "below the requested coverage at every level"
FAILED: dict[str, Any] = {"category_id": None, "path": None, "probability": None, "depth": None, "leaves": []}

Record = dict[str, Any]
Sink = Callable[[Sequence[Record]], None]


@dataclass(frozen=True, kw_only=True)
class Classifying:
    """The images to classify, their number, and the share of predictions that is to be right."""

    images: Iterable[ImageInput]
    num_images: int
    coverage: float


def classify(store: str, options: Classifying, sink: Sink) -> None:
    """Passes a record for each image to the sink, batch by batch, in their order.

    A record has the image's status, the deepest category that reaches the coverage, and the most probable leaves. An
    image that cannot be classified is a record with its status alone.

    Raises:
        FileNotFoundError: the deployment does not exist, or the only image does not.
        ValueError: the deployment has no threshold for the coverage, or the only image cannot be fetched or decoded.
    """
    size = min(BATCH_SIZE, options.num_images)
    deployment = Deployment.load(current_deployment(store), Machine(num_threads=num_cores(), batch_size=size))
    predictor = _Predictor(deployment, options.coverage, _paths(store))

    async def run() -> None:
        batch: list[LoadedImage] = []
        async with aclosing(load_images(options.images, fetch_settings(store))) as images:
            async for image in images:
                if options.num_images == 1:
                    _refuse_failed(image)
                batch.append(image)
                if len(batch) == size:
                    sink(await asyncio.to_thread(predictor.records, batch))
                    batch = []
        if batch:
            sink(predictor.records(batch))

    asyncio.run(run())


@dataclass(frozen=True)
class _Predictor:
    """Predicts the categories of loaded images."""

    deployment: Deployment
    coverage: float
    paths: dict[int, str]

    def records(self, batch: Sequence[LoadedImage]) -> list[Record]:
        """Returns a record for each image of a batch."""
        predicted = iter(self._predicted([each.data for each in batch if each.data is not None]))
        return [
            {"image": each.name, "status": str(each.status)} | (FAILED if each.data is None else next(predicted))
            for each in batch
        ]

    def _predicted(self, images: Sequence[bytes]) -> list[Record]:
        """Returns what is predicted of each image; of none, nothing."""
        if not images:
            return []
        pixels = decode_pixels(images, self.deployment.resolution, num_cores(), fit=self.deployment.fit)
        predictions = self.deployment.predict(pixels, self.coverage)
        return [self._prediction(predictions, number) for number in range(len(images))]

    def _prediction(self, predictions: CategoryPredictions, number: int) -> Record:
        leaves = zip(predictions.leaves[number].tolist(), predictions.leaf_probabilities[number].tolist(), strict=True)
        category = int(predictions.categories[number])
        return {
            "category_id": category if category >= 0 else None,
            "path": self.paths.get(category, BELOW_COVERAGE),
            "probability": float(predictions.probabilities[number]),
            "depth": int(predictions.depths[number]),
            "leaves": [{"path": self.paths.get(leaf, str(leaf)), "probability": each} for leaf, each in leaves],
        }


def _refuse_failed(image: LoadedImage) -> None:
    """Raises what explains why an image that stands alone cannot be classified."""
    if image.data is not None:
        return
    if image.status == NO_FILE:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), image.name)
    if "://" in image.name:
        raise ValueError(f"{image.name} returned no image: {image.status}{hint_of(image.status)}")
    raise ValueError(
        f"{image.name!r} is not an image to classify: {image.status}; pass a JPEG, PNG, WebP, GIF, TIFF or AVIF"
    )


def hint_of(status: str) -> str:
    """Returns the way out of a status that a setting changes."""
    blocked = "; SHELFSIGHT_ALLOWED_NETWORKS lists addresses that may be fetched"
    return blocked if status == Status.BLOCKED_ADDRESS else ""


def _paths(store: str) -> dict[int, str]:
    """Returns the path of every category by id."""
    import polars as pl

    nodes = pl.read_parquet(f"{store.rstrip('/')}/taxonomy/*.parquet", columns=["category_id", "path"])
    return dict(nodes.iter_rows())
