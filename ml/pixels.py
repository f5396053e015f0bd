"""Pixels: encoded pictures decoded once, in threads, into one uint8 array of a single resolution."""

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


class PixelRows(Protocol):
    """Pixels (num_pictures, 3, h, w) that are read as they are asked for: an array, or what stands for one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array: (num_pictures, 3, h, w)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of bytes."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Pixels:
        """The pixels of a slice, or of an array of positions."""
        ...


@dataclass(frozen=True)
class Chosen:
    """Some rows of pixels, which nobody copies before they are asked for."""

    pixels: PixelRows
    positions: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.positions), *self.pixels.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.pixels.dtype

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: Any, /) -> Pixels:
        return self.pixels[self.positions[rows]]


def decode_pixels(pictures: Sequence[bytes], resolution: int, num_threads: int = 2) -> Pixels:
    """Colour pictures as (num_pictures, 3, resolution, resolution), uint8.

    The shorter side is resized to `resolution` (bicubic, anti-aliased) and the longer one cropped about its
    centre, which keeps the proportions an ImageNet encoder knows; a square picture is merely resized.

    Raises:
        ValueError: a picture cannot be decoded; the message gives its position.
    """

    pixels = np.empty((len(pictures), 3, resolution, resolution), dtype=np.uint8)

    def fill(position: int) -> None:
        try:
            pixels[position] = _square(pictures[position], resolution).transpose(2, 0, 1)
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow raises on bad bytes
            raise ValueError(f"picture {position} of {len(pictures)} cannot be decoded: {error}") from error

    with ThreadPoolExecutor(num_threads) as threads:
        for _ in threads.map(fill, range(len(pictures)), chunksize=64):
            pass
    return pixels


def _square(picture: bytes, side: int) -> Pixels:
    """One picture, decoded, cropped about its centre and resized to side x side."""
    with Image.open(io.BytesIO(picture)) as image:
        image.draft("RGB", (side, side))  # a large JPEG is decoded at 1/2, 1/4 or 1/8 for next to nothing
        width, height = image.size
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        box = (left, top, left + short, top + short)
        return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box=box))


def fingerprint_arrays(*arrays: NDArray[Any] | PixelRows) -> str:
    """The SHA-256 (hex) of arrays: their types, shapes and values."""
    digest = hashlib.sha256()
    for each in arrays:
        array: Any = np.atleast_1d(each) if isinstance(each, (np.ndarray, np.generic)) else each
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        for start in range(0, len(array), 4096):  # in pieces, so that a memory-mapped array stays on disk
            digest.update(np.ascontiguousarray(array[start : start + 4096]).data)
    return digest.hexdigest()
