"""`shelfsight classify`: predicts the category of images, files or links, with the deployed champion."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog.images.decoding import decode
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage
from ml.deployment.deployment import Deployment
from ml.deployment.variants import Machine
from ml.pixels import decode_pixels
from resources.artifacts.deployments import current_deployment
from resources.settings import Settings


def classify(store: str, images: Sequence[str], coverage: float) -> list[dict[str, Any]]:
    """Returns a record for each image: the deepest category that reaches the coverage, and the most probable leaves.

    Raises:
        FileNotFoundError: an image or the deployment does not exist.
        ValueError: an image cannot be fetched or decoded, or the deployment has no threshold for the coverage.
    """
    deployment = Deployment.load(current_deployment(store), Machine(num_threads=os.cpu_count() or 1, batch_size=1))
    rules = Settings.read().image_rules
    stored = [_stored(each, rules) for each in images]
    predictions = deployment.predict(decode_pixels(stored, deployment.resolution, fit=deployment.fit), coverage)
    paths = _paths(store)
    records = []
    for number, image in enumerate(images):
        leaves = zip(predictions.leaves[number].tolist(), predictions.leaf_probabilities[number].tolist(), strict=True)
        category = int(predictions.categories[number])
        records.append(
            {
                "image": image,
                "category_id": category if category >= 0 else None,
                "path": paths.get(category, "below the requested coverage at every level"),
                "probability": float(predictions.probabilities[number]),
                "depth": int(predictions.depths[number]),
                "leaves": [{"path": paths.get(leaf, str(leaf)), "probability": each} for leaf, each in leaves],
            }
        )
    return records


def _stored(image: str, rules: ImageRules) -> bytes:
    """Returns an image as a download would store it."""
    data = _fetched(image) if image.startswith(("http://", "https://")) else Path(image).read_bytes()
    decoded = decode(data, rules)
    if isinstance(decoded, StoredImage):
        return decoded.data
    raise ValueError(f"{image!r} is not an image to classify: {decoded}; pass a JPEG, PNG, WebP, GIF, TIFF or AVIF")


def _fetched(url: str) -> bytes:
    """Fetches a link with the same guards as a download."""
    from catalog.download.fetching import Fetcher
    from catalog.download.settings import FetchSettings

    allowed = Settings.read().allowed_networks
    settings = FetchSettings(
        user_agent="shelfsight/0.1 (classify)",
        allowed_networks=tuple(part.strip() for part in allowed.split(",") if part.strip()),
    )

    async def fetch() -> Any:
        async with Fetcher(settings) as fetcher:
            return await fetcher.fetch(url)

    fetched = asyncio.run(fetch())
    if fetched.data is None:
        blocked = "; SHELFSIGHT_ALLOWED_NETWORKS lists addresses that may be fetched"
        hint = blocked if fetched.status is Status.BLOCKED_ADDRESS else ""
        raise ValueError(f"{url} returned no image: {fetched.status}{hint}")
    data: bytes = fetched.data
    return data


def _paths(store: str) -> dict[int, str]:
    """Returns the path of every category by id."""
    import polars as pl

    nodes = pl.read_parquet(f"{store.rstrip('/')}/taxonomy/*.parquet", columns=["category_id", "path"])
    return dict(nodes.iter_rows())
