"""Classify: what pictures show, by the deployed champion; a file or a link each, seen by a feed or not."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog.images.decoding import decode
from catalog.images.picture import Picture, PictureRules
from catalog.images.statuses import Status
from ml.deployment.deployment import Deployment
from ml.deployment.variants import Machine
from ml.pixels import decode_pixels
from resources.deployments import current_deployment


def classify(store: str, pictures: Sequence[str], coverage: float) -> list[dict[str, Any]]:
    """A record for each picture: its category as deep as the coverage allows, and what else it might be.

    Raises:
        FileNotFoundError: a picture, or the deployment, is not there.
        ValueError: a picture cannot be had or decoded, or the deployment knows no such coverage.
    """
    deployment = Deployment.load(current_deployment(store), Machine(num_threads=os.cpu_count() or 1, batch_size=1))
    stored = [_stored(each) for each in pictures]
    answers = deployment.answer(decode_pixels(stored, deployment.resolution), coverage)
    paths = _paths(store)
    told = []
    for number, picture in enumerate(pictures):
        leaves = zip(answers.leaves[number].tolist(), answers.leaf_probabilities[number].tolist(), strict=True)
        category = int(answers.categories[number])
        told.append(
            {
                "picture": picture,
                "category_id": category if category >= 0 else None,
                "path": paths.get(category, "not sure even of the root"),
                "probability": float(answers.probabilities[number]),
                "depth": int(answers.depths[number]),
                "leaves": [{"path": paths.get(leaf, str(leaf)), "probability": each} for leaf, each in leaves],
            }
        )
    return told


def _stored(picture: str) -> bytes:
    """A picture as a download would have stored it."""
    data = _fetched(picture) if picture.startswith(("http://", "https://")) else Path(picture).read_bytes()
    decoded = decode(data, PictureRules())
    if isinstance(decoded, Picture):
        return decoded.data
    raise ValueError(f"{picture!r} is no picture to classify: {decoded}; give a JPEG, PNG, WebP, GIF, TIFF or AVIF")


def _fetched(url: str) -> bytes:
    """The bytes behind a link, under the same guards as a partner's."""
    from catalog.images.fetch_settings import FetchSettings
    from catalog.images.fetching import Fetcher

    allowed = os.environ.get("SHELFSIGHT_ALLOWED_NETWORKS", "")
    settings = FetchSettings(
        user_agent="shelfsight/0.1 (classify)",
        allowed_networks=tuple(part.strip() for part in allowed.split(",") if part.strip()),
    )

    async def fetch() -> Any:
        async with Fetcher(settings) as fetcher:
            return await fetcher.fetch(url)

    fetched = asyncio.run(fetch())
    if fetched.data is None:
        blocked = "; SHELFSIGHT_ALLOWED_NETWORKS names addresses that may be reached"
        hint = blocked if fetched.status is Status.BLOCKED_ADDRESS else ""
        raise ValueError(f"{url} gave no picture: {fetched.status}{hint}")
    data: bytes = fetched.data
    return data


def _paths(store: str) -> dict[int, str]:
    """The path of every category."""
    import polars as pl

    nodes = pl.read_parquet(f"{store.rstrip('/')}/taxonomy/*.parquet", columns=["category_id", "path"])
    return dict(nodes.iter_rows())
