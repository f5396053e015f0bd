"""Looks: grey thumbnails by which two pictures of near hashes are told to be one picture or two."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalog.frames import without_frame

Indices = NDArray[np.int32]

THUMBNAIL_SIDE = 32

# Two pictures are one if no pixel of their 32 x 32 grey thumbnails differs by more than this, once the mean
# brightness is taken off. The largest difference decides because a mean lets a small print or a slimmer leg
# through. Copies (JPEG quality 50 to 95, half to one and a half times the size, 5 % brighter or darker) stay
# below 13; different garments among 70,000 product pictures and 5,756 photographs start at about 30.
MAX_DIFFERENCE = 24.0
# A faint picture differs faintly from another one, so it may use only a quarter of its own grey range, down
# to what compression alone does to a blank one.
SHARE_OF_RANGE = 0.25
MIN_DIFFERENCE = 6.0

COARSE_SIDE = 8
LOOKS_PER_CHUNK = 1 << 12  # pairs; some 50 MB
THUMBNAILS_PER_CHUNK = 1 << 16  # 64 MiB


def thumbnail(picture: Image.Image) -> NDArray[np.uint8]:
    """A picture's grey 32 x 32 thumbnail without a frame, (32, 32); bilinear, as the box filter aliases and
    Lanczos rings."""
    side = THUMBNAIL_SIDE
    return np.asarray(without_frame(picture).resize((side, side), Image.Resampling.BILINEAR), dtype=np.uint8)


class Looks:
    """The thumbnails of k pictures, with their blocks of 4 x 4 pixels as a first glance; on disk, in nameless files.

    `thumbnails(start, stop)` is called once for each piece of the k pictures, in order; it returns (stop - start, 32,
    32). Where the disk lacks room, in the folder that TMPDIR names, OSError says so at once.
    """

    def __init__(
        self,
        thumbnails: Callable[[int, int], NDArray[np.uint8]],
        num_pictures: int,
        max_difference: float = MAX_DIFFERENCE,
    ) -> None:
        self._fine = _Rows(num_pictures, THUMBNAIL_SIDE**2, np.uint8)
        self._coarse = _Rows(num_pictures, COARSE_SIDE**2, np.float16)
        self._means = np.empty(num_pictures, dtype=np.float32)
        self._limits = np.empty(num_pictures, dtype=np.float32)
        for start in range(0, num_pictures, THUMBNAILS_PER_CHUNK):
            stop = min(start + THUMBNAILS_PER_CHUNK, num_pictures)
            self._take(start, stop, thumbnails(start, stop), max_difference)

    def may_be_same(self, a: Indices, b: Indices) -> NDArray[np.bool_]:
        """Which pairs differ little enough in their blocks: block means differ no more than their pixels."""
        difference = np.abs(self._coarse[a] - self._coarse[b]).max(axis=1, initial=0.0)
        may_be: NDArray[np.bool_] = difference <= self._limit(a, b) + 0.25  # half floats near 255 are 1/8 apart
        return may_be

    def are_same(self, a: Indices, b: Indices) -> NDArray[np.bool_]:
        """Which pairs are one picture."""
        difference = np.abs(self._centred(a) - self._centred(b)).max(axis=1, initial=0.0)
        are: NDArray[np.bool_] = difference <= self._limit(a, b)
        return are

    def _take(self, start: int, stop: int, thumbnails: NDArray[np.uint8], max_difference: float) -> None:
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
        grey_range = np.ptp(fine, axis=1).astype(np.float32)
        self._limits[start:stop] = np.clip(
            SHARE_OF_RANGE * grey_range, min(MIN_DIFFERENCE, max_difference), max_difference
        )

    def _limit(self, a: Indices, b: Indices) -> NDArray[np.float32]:
        limits: NDArray[np.float32] = np.minimum(self._limits[a], self._limits[b])
        return limits

    def _centred(self, pictures: Indices) -> NDArray[np.float32]:
        centred: NDArray[np.float32] = self._fine[pictures] - self._means[pictures, None]
        return centred


class _Rows:
    """Rows of numbers in a temporary file, read and written by number: nothing of them stays in memory.

    Mapping the file would be as fast, but the kernel maps sixteen pages around every one that is touched.
    """

    def __init__(self, num_rows: int, num_columns: int, dtype: type[np.generic]) -> None:
        self._num_columns, self._dtype = num_columns, np.dtype(dtype)
        self._row_bytes = num_columns * self._dtype.itemsize
        self._file = tempfile.TemporaryFile(prefix="shelfsight-looks-")  # noqa: SIM115 closed with this object
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
