"""Stored pictures of the dataset: their bytes, their thumbnails, and their pixels decoded once per resolution."""

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

from resources.compute import num_cores
from resources.shard_pictures import shard_pictures
from resources.store import Store

if TYPE_CHECKING:
    from ml.pixels import PixelRows

COPIED_AT_ONCE = 4_096  # rows


class Pictures(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Reads the image shards. Rows need the columns product_id, delivery, shard and sha256."""

    store: dg.ResourceDependency[Store]
    max_pixels_gib: float = 64.0  # of disk, for one resolution

    def read(self, rows: pl.DataFrame) -> list[bytes]:
        """The encoded pictures of these rows, in their order."""
        pictures: list[bytes] = [b""] * len(rows)
        for positions, data in self._by_shard(rows):
            for position, picture in zip(positions, data, strict=True):
                pictures[position] = picture
        return pictures

    def thumbnails(self, rows: pl.DataFrame) -> NDArray[np.uint8]:
        """Grey thumbnails of these rows, (n, 32, 32), as duplicates are confirmed by."""
        from catalog.looks import THUMBNAIL_SIDE

        thumbnails = np.empty((len(rows), THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
        with ThreadPoolExecutor(num_cores()) as threads:
            for positions, data in self._by_shard(rows):
                thumbnails[positions] = list(threads.map(_thumbnail, data))
        return thumbnails

    def pixels(self, rows: pl.DataFrame, resolution: int) -> "PixelRows":
        """Pixels of these rows, (n, 3, resolution, resolution), memory-mapped and decoded at most once.

        The array is keyed by the pictures; one of another set of them at this resolution is superseded, and what both
        hold is copied. Pixels that would take more than `max_pixels_gib` are decoded from the shards at every access.
        """
        num_bytes = len(rows) * 3 * resolution**2
        if num_bytes > self.max_pixels_gib * 2**30:
            return self._streamed(rows, resolution)
        key = hashlib.sha256("\n".join(rows["product_id"] + rows["sha256"]).encode()).hexdigest()[:16]
        cache = self.store.scratch / "cache" / "pixels"
        path = cache / f"{resolution}px-{key}.npy"
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            former = sorted(each for each in cache.glob(f"{resolution}px-*.npy") if each != path)
            self._build(rows, resolution, path, former)
            for superseded in former:
                superseded.unlink()
                superseded.with_suffix(".parquet").unlink(missing_ok=True)
        mapped: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        return mapped

    def _build(self, rows: pl.DataFrame, resolution: int, path: Path, former: Sequence[Path]) -> None:
        """Write the array of these rows, and beside it whose they are."""
        from ml.pixels import decode_pixels

        unfinished = path.with_name(f".{path.name}")
        shape = (len(rows), 3, resolution, resolution)
        array = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
        missing = np.ones(len(rows), dtype=bool)
        for earlier in former:
            held = earlier.with_suffix(".parquet")
            if not held.exists():
                continue
            place = pl.read_parquet(held).with_row_index("place").unique("sha256", keep="first")
            found = rows.select("sha256").join(place, on="sha256", how="left", maintain_order="left")["place"]
            copied = np.flatnonzero(found.is_not_null().to_numpy() & missing)
            pixels, places = np.load(earlier, mmap_mode="r"), found.to_numpy()
            for start in range(0, len(copied), COPIED_AT_ONCE):
                part = copied[start : start + COPIED_AT_ONCE]
                array[part] = pixels[places[part].astype(np.intp)]
            missing[copied] = False
        wanted = np.flatnonzero(missing)
        for positions, data in self._by_shard(rows[wanted]):
            array[wanted[positions]] = decode_pixels(data, resolution, num_threads=num_cores())
        array.flush()
        rows.select("sha256").write_parquet(path.with_suffix(".parquet"))
        unfinished.rename(path)

    def _streamed(self, rows: pl.DataFrame, resolution: int) -> "StreamedPixels":
        """Where each row's encoded picture lies in its shard, whose bytes are stored as they came."""
        offsets, lengths, files = (np.zeros(len(rows), dtype=np.int64) for _ in range(3))
        shards: list[_Shard] = []
        located = rows.select("delivery", "shard").with_row_index("position")
        parts = located.group_by("delivery", "shard", maintain_order=True)
        for ((delivery, shard), _), (positions, data) in zip(parts, self._by_shard(rows), strict=True):
            path = self.store.here("images", f"delivery={delivery}") / f"{shard}.parquet"
            content = path.read_bytes()
            for position, picture in zip(positions, data, strict=True):
                offsets[position], lengths[position] = content.index(picture), len(picture)
                files[position] = len(shards)
            shards.append(_Shard(path, path.stat().st_mtime_ns))
        return StreamedPixels(shards, files, offsets, lengths, resolution)

    def _by_shard(self, rows: pl.DataFrame) -> Iterator[tuple[NDArray[Any], list[bytes]]]:
        """Positions and pictures, one stored shard after another; a picture the shards lack raises LookupError."""
        wanted = rows.with_row_index("position")
        for (delivery, shard), part in wanted.group_by("delivery", "shard", maintain_order=True):
            images = self.store.folder("images", str(delivery))
            yield part["position"].to_numpy(), shard_pictures(images, str(shard), part["product_id"])


@dataclass(frozen=True)
class _Shard:
    path: Path
    written_ns: int


@dataclass(frozen=True)
class StreamedPixels:
    """Pixels that are decoded whenever they are asked for, in threads, from where the pictures lie in their shards."""

    shards: Sequence[_Shard]
    files: NDArray[np.int64]  # (n,), an index into shards
    offsets: NDArray[np.int64]  # (n,), bytes
    lengths: NDArray[np.int64]
    resolution: int

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array: (n, 3, resolution, resolution)."""
        return (len(self), 3, self.resolution, self.resolution)

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """That of bytes."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]:
        """The pixels of a slice, or of an array of positions; LookupError where a shard was written anew since."""
        from ml.pixels import decode_pixels

        positions = np.arange(len(self))[rows]
        pictures = [b""] * len(positions)
        for number in np.unique(self.files[positions]):
            shard = self.shards[number]
            with shard.path.open("rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_mtime_ns != shard.written_ns:
                    raise LookupError(f"{shard.path} was written anew while its pictures were read; start again")
                for place in np.flatnonzero(self.files[positions] == number):
                    position = positions[place]
                    pictures[place] = os.pread(file.fileno(), int(self.lengths[position]), int(self.offsets[position]))
        return decode_pixels(pictures, self.resolution, num_threads=num_cores())


def _thumbnail(data: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    from catalog.looks import thumbnail

    with Image.open(io.BytesIO(data)) as image:
        return thumbnail(image)
