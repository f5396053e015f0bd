"""Decoding: encoded images to one uint8 array of a single resolution, in threads."""

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.recipe_types import Fit

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF")  # stored images are JPEGs
MAX_PIXELS = 50_000_000  # of one image
PADDING = (255, 255, 255)  # white, as the background of most product images


class PixelsLike(Protocol):
    """Array-like uint8 images (num_images, 3, height, width): a NumPy array, a memory map, or a lazy reader."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, (num_images, 3, height, width)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type, uint8."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Pixels:
        """Returns the images of a slice or of an integer array of indices."""
        ...


@dataclass(frozen=True)
class PixelSubset:
    """A lazy subset of images, given by its indices; images are copied only when indexed."""

    pixels: PixelsLike
    positions: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, (num_images, 3, height, width)."""
        return (len(self.positions), *self.pixels.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type, uint8."""
        return self.pixels.dtype

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: Any, /) -> Pixels:
        return self.pixels[self.positions[rows]]


def decode_pixels(images: Sequence[bytes], resolution: int, num_threads: int = 2, *, fit: Fit = "crop") -> Pixels:
    """Decodes stored images, makes them square and resizes them (bicubic, anti-aliased).

    Images of strangers are brought into their stored form first, by `catalog.images.decoding.decode`: it turns them
    upright, puts transparent ones on white and bounds what they take, so that training and serving see equal pixels.

    Args:
        images: Encoded images, upright and opaque, in any of `FORMATS`; the store has JPEGs.
        resolution: Side of the result in pixels.
        num_threads: Decoding threads; Pillow releases the GIL.
        fit: Conversion of images that are not square, see `EncoderRecipe`.

    Returns:
        RGB images (num_images, 3, resolution, resolution), uint8.

    Raises:
        ValueError: An image cannot be decoded, or has more than `MAX_PIXELS`; the message gives its position.
    """
    pixels = np.empty((len(images), 3, resolution, resolution), dtype=np.uint8)

    def fill(position: int) -> None:
        try:
            pixels[position] = _square(images[position], resolution, fit).transpose(2, 0, 1)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's readers raise nearly anything on bad bytes
            raise ValueError(f"image {position} of {len(images)} cannot be decoded: {error}") from error

    with ThreadPoolExecutor(num_threads) as threads:
        for _ in threads.map(fill, range(len(images)), chunksize=64):
            pass
    return pixels


def _square(data: bytes, side: int, fit: Fit) -> Pixels:
    """Decodes one image to (side, side, 3)."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(f"it has {width} x {height} pixels, more than {MAX_PIXELS:,}")
        image.draft("RGB", (side, side))  # libjpeg decodes a large JPEG at 1/2, 1/4 or 1/8 size almost for free
        colored = image.convert("RGB")
    if fit == "pad":
        return np.asarray(_padded(colored, side))
    width, height = colored.size
    box = (0.0, 0.0, float(width), float(height)) if fit == "squash" else _central_square(width, height)
    return np.asarray(colored.resize((side, side), Image.Resampling.BICUBIC, box=box))


def _central_square(width: int, height: int) -> tuple[float, float, float, float]:
    short = min(width, height)
    left, top = (width - short) / 2, (height - short) / 2
    return left, top, left + short, top + short


def _padded(image: Image.Image, side: int) -> Image.Image:
    """Resizes an image to the longer side and centers it on a square of `PADDING`."""
    scale = side / max(image.size)
    width, height = (max(1, round(each * scale)) for each in image.size)
    square = Image.new("RGB", (side, side), PADDING)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    square.paste(resized, ((side - width) // 2, (side - height) // 2))
    return square


def fingerprint_arrays(*arrays: NDArray[Any] | PixelsLike) -> str:
    """Returns the SHA-256 (hex) of the types, shapes and values of arrays."""
    digest = hashlib.sha256()
    for each in arrays:
        array: Any = np.atleast_1d(each) if isinstance(each, (np.ndarray, np.generic)) else each
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        for start in range(0, len(array), 4096):  # in chunks, so that a memory-mapped array stays on disk
            digest.update(np.ascontiguousarray(array[start : start + 4096]).data)
    return digest.hexdigest()
