"""Stored pictures of the dataset: their bytes, their thumbnails, and their pixels decoded once per resolution."""

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.compute import num_cores
from resources.store import Store


class Pictures(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Reads the image shards. Rows need the columns product_id, delivery, shard and sha256."""

    store: dg.ResourceDependency[Store]

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

    def pixels(self, rows: pl.DataFrame, resolution: int) -> NDArray[np.uint8]:
        """Pixels of these rows, (n, 3, resolution, resolution), memory-mapped and decoded at most once.

        The cache is keyed by the pictures themselves; one of another set of pictures at this resolution is superseded.
        """
        from ml.pixels import decode_pixels

        key = hashlib.sha256("\n".join(rows["product_id"] + rows["sha256"]).encode()).hexdigest()[:16]
        cache = self.store.local / "cache" / "pixels"
        path = cache / f"{resolution}px-{key}.npy"
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            unfinished = cache / f".{path.name}"
            shape = (len(rows), 3, resolution, resolution)
            array = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
            for positions, data in self._by_shard(rows):
                array[positions] = decode_pixels(data, resolution, num_threads=num_cores())
            array.flush()
            unfinished.rename(path)
            for superseded in cache.glob(f"{resolution}px-*.npy"):
                if superseded != path:
                    superseded.unlink()
        mapped: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        return mapped

    def _by_shard(self, rows: pl.DataFrame) -> Iterator[tuple[NDArray[Any], list[bytes]]]:
        """Positions and pictures, one stored shard after another; a picture the shards lack raises LookupError."""
        wanted = rows.with_row_index("position")
        for (delivery, shard), part in wanted.group_by("delivery", "shard", maintain_order=True):
            path = self.store.folder("images", str(delivery)) / f"{shard}.parquet"
            held = pl.scan_parquet(str(path), glob=False).select("product_id", pl.col("image").struct.field("bytes"))
            found = part.lazy().join(held, on="product_id", how="left").collect()
            if found["bytes"].null_count():
                lost = found.filter(pl.col("bytes").is_null())["product_id"][0]
                raise LookupError(
                    f"picture of {lost!r} is not in {path}; materialise images[{delivery}] and dataset again"
                )
            yield found["position"].to_numpy(), found["bytes"].to_list()


def _thumbnail(data: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    from catalog.looks import thumbnail

    with Image.open(io.BytesIO(data)) as image:
        return thumbnail(image)
