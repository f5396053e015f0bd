"""Thumbnails: small gray images by which two images of near hashes are compared."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalog.images.margins import without_frame

Indices = NDArray[np.int32]

THUMBNAIL_SIDE = 32

# Two images are duplicates if no pixel of their 32 x 32 gray thumbnails differs by more than this after subtracting
# the mean brightness. The largest difference decides because a mean would miss a small print or a slimmer leg.
# Copies (JPEG quality 50 to 95, half to one and a half times the size, 5 % brighter or darker) stay below 13;
# different garments among 70,000 product images and 5,756 photographs start at about 30.
MAX_DIFFERENCE = 24.0
# A faint image differs faintly from another one, so the limit is a quarter of its gray range, but not below the
# effect of compression on a blank one.
SHARE_OF_RANGE = 0.25
MIN_DIFFERENCE = 6.0

COARSE_SIDE = 8
COMPARISONS_PER_CHUNK = 1 << 12  # pairs; some 50 MB
THUMBNAILS_PER_CHUNK = 1 << 16  # 64 MiB


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """Returns an image's gray thumbnail without a frame, (32, 32).

    It is bilinear, because the box filter aliases and Lanczos rings.
    """
    side = THUMBNAIL_SIDE
    return np.asarray(without_frame(image).resize((side, side), Image.Resampling.BILINEAR), dtype=np.uint8)


class ThumbnailComparison:
    """Compares thumbnails of k images, first by blocks of 4 x 4 pixels and then by pixels; stored in unnamed files.

    Args:
        thumbnails: called once for each chunk of the images, in order; returns (stop - start, 32, 32).
        num_images: k.
        max_difference: largest difference of a pixel of equal images.

    Raises:
        OSError: the disk of TMPDIR lacks space; it is reserved before any work.
    """

    def __init__(
        self,
        thumbnails: Callable[[int, int], NDArray[np.uint8]],
        num_images: int,
        max_difference: float = MAX_DIFFERENCE,
    ) -> None:
        self._fine = _Rows(num_images, THUMBNAIL_SIDE**2, np.uint8)
        self._coarse = _Rows(num_images, COARSE_SIDE**2, np.float16)
        self._means = np.empty(num_images, dtype=np.float32)
        self._limits = np.empty(num_images, dtype=np.float32)
        for start in range(0, num_images, THUMBNAILS_PER_CHUNK):
            stop = min(start + THUMBNAILS_PER_CHUNK, num_images)
            self._store(start, stop, thumbnails(start, stop), max_difference)

    def may_be_same(self, a: Indices, b: Indices) -> NDArray[np.bool_]:
        """Returns True for pairs whose block means, which differ at most as much as pixels, differ little enough."""
        difference = np.abs(self._coarse[a] - self._coarse[b]).max(axis=1, initial=0.0)
        may_be: NDArray[np.bool_] = difference <= self._limit(a, b) + 0.25  # half floats near 255 are 1/8 apart
        return may_be

    def are_same(self, a: Indices, b: Indices) -> NDArray[np.bool_]:
        """Returns True for pairs that are the same image."""
        difference = np.abs(self._centered(a) - self._centered(b)).max(axis=1, initial=0.0)
        are: NDArray[np.bool_] = difference <= self._limit(a, b)
        return are

    def _store(self, start: int, stop: int, thumbnails: NDArray[np.uint8], max_difference: float) -> None:
        expected = (stop - start, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        if thumbnails.shape != expected:
            raise ValueError(f"the thumbnails have the shape {thumbnails.shape}; expected {expected}")
        fine = thumbnails.reshape(stop - start, -1)
        self._fine[start:stop] = fine
        self._means[start:stop] = means = fine.mean(axis=1, dtype=np.float32)
        block = THUMBNAIL_SIDE // COARSE_SIDE
        blocks = thumbnails.reshape(-1, COARSE_SIDE, block, COARSE_SIDE, block)
        coarse = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(stop - start, -1)
        self._coarse[start:stop] = (coarse - means[:, None]).astype(np.float16)
        gray_range = np.ptp(fine, axis=1).astype(np.float32)
        self._limits[start:stop] = np.clip(
            SHARE_OF_RANGE * gray_range, min(MIN_DIFFERENCE, max_difference), max_difference
        )

    def _limit(self, a: Indices, b: Indices) -> NDArray[np.float32]:
        limits: NDArray[np.float32] = np.minimum(self._limits[a], self._limits[b])
        return limits

    def _centered(self, images: Indices) -> NDArray[np.float32]:
        centered: NDArray[np.float32] = self._fine[images] - self._means[images, None]
        return centered


class _Rows:
    """Rows of numbers in a temporary file, read and written by index, so that none stays in memory.

    Memory mapping is as fast, but the kernel maps sixteen pages around every page that is touched.
    """

    def __init__(self, num_rows: int, num_columns: int, dtype: type[np.generic]) -> None:
        self._num_columns, self._dtype = num_columns, np.dtype(dtype)
        self._row_bytes = num_columns * self._dtype.itemsize
        self._file = tempfile.TemporaryFile(prefix="shelfsight-thumbnails-")  # noqa: SIM115 closed with this object
        if hasattr(os, "posix_fallocate"):  # a full disk is an OSError here, before any work
            os.posix_fallocate(self._file.fileno(), 0, max(num_rows, 1) * self._row_bytes)

    def __del__(self) -> None:
        self._file.close()

    def __getitem__(self, rows: Indices) -> NDArray[Any]:
        descriptor, row_bytes = self._file.fileno(), self._row_bytes
        found = b"".join([os.pread(descriptor, row_bytes, row * row_bytes) for row in rows.tolist()])
        return np.frombuffer(found, self._dtype).reshape(-1, self._num_columns)

    def __setitem__(self, rows: slice, values: NDArray[Any]) -> None:
        os.pwrite(
            self._file.fileno(), np.ascontiguousarray(values, self._dtype).tobytes(), rows.start * self._row_bytes
        )
