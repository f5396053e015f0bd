"""A dirty image: bytes as some kind of source serves them, and what is stored of them, or why nothing is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from catalog.images.statuses import Status

PATCH = 16  # pixels; images are made of squares of one color, whose middles are compared


@dataclass(frozen=True, kw_only=True)
class ImageCase:
    """An image that a server serves.

    Attributes:
        name: Names the case; unique in the table.
        source: The kind of source that serves such images, in words.
        content: Makes the bytes.
        status: What decoding ends with.
        shown: The image that is stored, of squares of `PATCH` pixels; its size is compared, too.
        at: Colors at points (x, y), where only these are known; negative ones count from the right and the bottom.
        tolerance: Levels of 255 by which a color may differ: JPEG and the rounding of profiles.
        differs: Why a browser shows it otherwise, or not at all; "" where it shows what is stored.
        versions_differ: How versions of one browser differ; such a case is not compared with any.
        needs: The package without which the format is not read.
    """

    name: str
    source: str
    content: Callable[[], bytes]
    status: Status = Status.OK
    shown: Callable[[], Image.Image] | None = None
    at: Mapping[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    tolerance: int = 6
    differs: str = ""
    versions_differ: str = ""
    needs: str = ""


def patches(image: Image.Image) -> np.ndarray:
    """The mean color in the middle of each square, (rows, columns, 3)."""
    pixels = np.asarray(image.convert("RGB")).astype(float)
    rows, columns = image.height // PATCH, image.width // PATCH
    squares = pixels[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH, 3)
    return squares[:, 5:11, :, 5:11].mean(axis=(1, 3))
