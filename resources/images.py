"""Stored images: reads the bytes, thumbnails and pixels of the dataset's images; pixels are decoded once."""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray
from upath import UPath

from catalog.images.shard_files import image_paths
from catalog.storage.cores import num_cores
from resources.shard_images import shard_images
from resources.store import Store

if TYPE_CHECKING:
    from catalog.images.stored_image import ImageRules
    from ml.pixels import PixelsLike
    from ml.recipe_types import Fit

COPIED_AT_ONCE = 4_096  # rows
KEY_LENGTH = 16  # of the hash that names an array


class StoredImages(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Reads the image shards. Rows need the columns product_id, delivery, shard and sha256."""

    store: dg.ResourceDependency[Store]
    max_pixels_gib: float = 64.0  # of disk, for one resolution
    short_side_px: int = 256  # of images that are stored now, at most
    quality: int = 90  # of images that are stored now, as JPEG
    max_pixels: int = 50_000_000  # of accepted images
    min_decoded_share: float = 0.9  # of the rows of accepted images that were cut off

    @property
    def rules(self) -> "ImageRules":
        """The limits of accepted images, and the form in which they are stored now."""
        from catalog.images.stored_image import ImageRules

        return ImageRules(
            short_side_px=self.short_side_px,
            quality=self.quality,
            max_pixels=self.max_pixels,
            min_decoded_share=self.min_decoded_share,
        )

    def read(self, rows: pl.DataFrame) -> list[bytes]:
        """Reads the encoded images of these rows, in their order."""
        images: list[bytes] = [b""] * len(rows)
        for positions, data in self._by_shard(rows):
            for position, image in zip(positions, data, strict=True):
                images[position] = image
        return images

    def thumbnails(self, rows: pl.DataFrame) -> NDArray[np.uint8]:
        """Returns gray thumbnails of these rows, (n, 32, 32), for the confirmation of duplicates."""
        from catalog.dataset.thumbnails import THUMBNAIL_SIDE

        thumbnails = np.empty((len(rows), THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
        with ThreadPoolExecutor(num_cores()) as threads:
            for positions, data in self._by_shard(rows):
                thumbnails[positions] = list(threads.map(_thumbnail, data))
        return thumbnails

    def graphics(self, rows: pl.DataFrame) -> NDArray[np.float32]:
        """Returns the features of `catalog.images.graphics` of these rows, (n, len(FEATURES))."""
        from catalog.images.graphics import FEATURES

        features = np.empty((len(rows), len(FEATURES)), dtype=np.float32)
        with ThreadPoolExecutor(num_cores()) as threads:
            for positions, data in self._by_shard(rows):
                features[positions] = list(threads.map(_graphics, data))
        return features

    def pixels(self, rows: pl.DataFrame, resolution: int, fit: "Fit") -> "PixelsLike":
        """Returns the pixels of these rows, (n, 3, resolution, resolution), memory-mapped and decoded at most once.

        The array is keyed by the images. It replaces the array of another set at this resolution and fit, whose pixels
        of common images are copied. Pixels of more than `max_pixels_gib` are decoded from the shards at every access.
        """
        num_bytes = len(rows) * 3 * resolution**2
        if num_bytes > self.max_pixels_gib * 2**30:
            return self._streamed(rows, resolution, fit)
        key = hashlib.sha256("\n".join(rows["product_id"] + rows["sha256"]).encode()).hexdigest()[:KEY_LENGTH]
        cache = self.store.scratch / "cache" / "pixels"
        kind = f"{resolution}px-{fit}"
        path = cache / f"{kind}-{key}.npy"
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            former = sorted({*cache.glob(f"{kind}-*.npy"), *_of_earlier_version(cache, resolution, fit)} - {path})
            self._build(rows, _Frame(resolution, fit), path, former)
            for superseded in former:
                superseded.unlink()
                superseded.with_suffix(".parquet").unlink(missing_ok=True)
        mapped: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        return mapped

    def _build(self, rows: pl.DataFrame, frame: "_Frame", path: Path, former: Sequence[Path]) -> None:
        """Writes the array of these rows, and beside it the SHA-256 of each image."""
        unfinished = path.with_name(f".{path.name}")
        shape = (len(rows), 3, frame.resolution, frame.resolution)
        array = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
        missing = np.ones(len(rows), dtype=bool)
        for earlier in former:
            index = earlier.with_suffix(".parquet")
            if not index.exists():
                continue
            known = pl.read_parquet(index).with_row_index("position").unique("sha256", keep="first")
            found = rows.select("sha256").join(known, on="sha256", how="left", maintain_order="left")["position"]
            copied = np.flatnonzero(found.is_not_null().to_numpy() & missing)
            pixels, positions = np.load(earlier, mmap_mode="r"), found.to_numpy()
            for start in range(0, len(copied), COPIED_AT_ONCE):
                part = copied[start : start + COPIED_AT_ONCE]
                array[part] = pixels[positions[part].astype(np.intp)]
            missing[copied] = False
        wanted = np.flatnonzero(missing)
        for positions, data in self._by_shard(rows[wanted]):
            array[wanted[positions]] = frame.decoded(data)
        array.flush()
        rows.select("sha256").write_parquet(path.with_suffix(".parquet"))
        unfinished.rename(path)

    def _streamed(self, rows: pl.DataFrame, resolution: int, fit: "Fit") -> "StreamedPixels":
        """Finds the offset of each row's encoded image in its shard, whose images are stored uncompressed."""
        offsets, lengths, files = (np.zeros(len(rows), dtype=np.int64) for _ in range(3))
        shards: list[_Shard] = []
        located = rows.select("delivery", "shard").with_row_index("position")
        parts = located.group_by("delivery", "shard", maintain_order=True)
        for ((delivery, shard), _), (positions, data) in zip(parts, self._by_shard(rows), strict=True):
            folder = UPath(self.store.sync_down("images", f"delivery={delivery}"))
            contents = {Path(path.path): path.read_bytes() for path in image_paths(folder, str(shard))}
            numbers = dict(zip(contents, range(len(shards), len(shards) + len(contents)), strict=True))
            for position, image in zip(positions, data, strict=True):
                path = next(each for each, content in contents.items() if image in content)
                offsets[position], lengths[position] = contents[path].index(image), len(image)
                files[position] = numbers[path]
            shards += [_Shard(path, path.stat().st_mtime_ns) for path in contents]
        return StreamedPixels(shards, files, offsets, lengths, _Frame(resolution, fit))

    def _by_shard(self, rows: pl.DataFrame) -> Iterator[tuple[NDArray[Any], list[bytes]]]:
        """Yields positions and images, one shard after another; raises LookupError for an image that is in no shard."""
        wanted = rows.with_row_index("position")
        for (delivery, shard), part in wanted.group_by("delivery", "shard", maintain_order=True):
            images = self.store.folder("images", str(delivery))
            yield part["position"].to_numpy(), shard_images(images, str(shard), part["product_id"], part["sha256"])


@dataclass(frozen=True)
class _Frame:
    """The side of square pixels, and the conversion of images that are not square."""

    resolution: int
    fit: "Fit"

    def decoded(self, images: Sequence[bytes]) -> NDArray[np.uint8]:
        """Decodes images in threads, (n, 3, resolution, resolution)."""
        from ml.pixels import decode_pixels

        return decode_pixels(images, self.resolution, num_threads=num_cores(), fit=self.fit)


@dataclass(frozen=True)
class _Shard:
    path: Path
    written_ns: int


@dataclass(frozen=True)
class StreamedPixels:
    """Pixels that are decoded at every access, in threads, from the images in their shards."""

    shards: Sequence[_Shard]
    files: NDArray[np.int64]  # (n,), an index into shards
    offsets: NDArray[np.int64]  # (n,), bytes
    lengths: NDArray[np.int64]
    frame: _Frame

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array: (n, 3, resolution, resolution)."""
        return (len(self), 3, self.frame.resolution, self.frame.resolution)

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """The type of the pixels."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]:
        """Decodes a slice, or an array of positions; raises LookupError where a shard was rewritten meanwhile."""
        positions = np.arange(len(self))[rows]
        images = [b""] * len(positions)
        for number in np.unique(self.files[positions]):
            shard = self.shards[number]
            if not shard.path.exists():
                raise LookupError(f"{shard.path} was replaced while its images were read; start again")
            with shard.path.open("rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_mtime_ns != shard.written_ns:
                    raise LookupError(f"{shard.path} was rewritten while its images were read; start again")
                for index in np.flatnonzero(self.files[positions] == number):
                    position = positions[index]
                    images[index] = os.pread(file.fileno(), int(self.lengths[position]), int(self.offsets[position]))
        return self.frame.decoded(images)


def _of_earlier_version(cache: Path, resolution: int, fit: "Fit") -> Iterator[Path]:
    """Yields arrays of this resolution whose names lack the fit: an earlier version knew only one."""
    from ml.recipe_types import FORMER_FIT

    return cache.glob(f"{resolution}px-{'?' * KEY_LENGTH}.npy") if fit == FORMER_FIT else iter(())


def _thumbnail(data: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    from catalog.dataset.thumbnails import thumbnail

    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return thumbnail(image)


def _graphics(data: bytes) -> NDArray[np.float32]:
    from PIL import Image

    from catalog.images.graphics import graphic_features

    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return graphic_features(image)
