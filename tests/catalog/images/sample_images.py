"""Generated images: smooth enough to compare after JPEG, different for each seed."""

from io import BytesIO

import numpy as np
from PIL import Image


def sample_image(width: int = 64, height: int = 48, *, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """A smooth random image without symmetry, so that every turn and flip of it shows."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, file_format: str = "JPEG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def jpeg(width: int = 64, height: int = 48, *, seed: int = 0) -> bytes:
    return encoded(sample_image(width, height, seed=seed), quality=85)


def pixels(data: bytes) -> np.ndarray:
    """Decodes an image to signed integers, (height, width, 3), that can be subtracted."""
    with Image.open(BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB")).astype(np.int32)
