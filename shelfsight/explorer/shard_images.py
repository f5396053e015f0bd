"""Shard images: the bytes of one image straight from its Parquet file, and thumbnails of them.

A shard stores its images uncompressed, one after another, so that after a first look at the file an image is one read
of its bytes. Nothing is copied to disk. Images are named by delivery, shard and SHA-256; a name is checked before it
becomes a path, and bytes are compared with their hash before they are served.
"""

import hashlib
import io
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow.parquet as pq
from PIL import Image
from upath import UPath

from catalog.images.shard_files import image_paths
from catalog.storage.files import is_remote
from resources.store import Store
from shelfsight.explorer.errors import NotFoundError

THUMBNAIL_PX = 192  # longest side
THUMBNAIL_QUALITY = 85
MAX_SHARDS = 1_024  # whose places of images are kept: some 150 KB each
MAX_THUMBNAIL_BYTES = 64 << 20
SHARD = re.compile(r"shard-\d{5,9}(-[0-9a-f]{16})?")
SHA256 = re.compile(r"[0-9a-f]{64}")

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True)
class ImageName:
    """An image of the store, as it is named in addresses."""

    delivery: str
    shard: str
    sha256: str

    def __post_init__(self) -> None:
        is_one_name = self.delivery.isprintable() and not re.search(r"[/\\\0]", self.delivery)
        if not (0 < len(self.delivery) <= 255 and is_one_name and SHARD.fullmatch(self.shard)):
            raise NotFoundError(f"there is no shard {self.shard[:100]!r} of delivery {self.delivery[:100]!r}")
        if not SHA256.fullmatch(self.sha256):
            raise NotFoundError(f"{self.sha256[:100]!r} is no SHA-256")


class ShardImages:
    """Reads images of a store's shards; one object serves all threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shards: _Recent[Path, _Shard] = _Recent(MAX_SHARDS, lambda _: 1)
        self._thumbnails: _Recent[str, bytes] = _Recent(MAX_THUMBNAIL_BYTES, len)

    def image(self, name: ImageName) -> bytes:
        """Returns the JPEG; raises NotFoundError where no shard of that name has it."""
        folder = self._store.folder("images", name.delivery)
        for path in image_paths(folder, name.shard):
            data = self._remote(path, name) if is_remote(self._store.root) else self._local(Path(path.path), name)
            if data is not None and hashlib.sha256(data).hexdigest() == name.sha256:
                return data
        raise NotFoundError(f"shard {name.shard!r} of delivery {name.delivery!r} has no image {name.sha256}")

    def thumbnail(self, name: ImageName) -> bytes:
        """Returns the image, at most `THUMBNAIL_PX` wide and high, as a JPEG."""
        cached = self._thumbnails.get(name.sha256)
        if cached is None:
            cached = _reduced(self.image(name))
            self._thumbnails.put(name.sha256, cached)
        return cached

    def _local(self, path: Path, name: ImageName) -> bytes | None:
        if not path.is_file() or not self._is_inside(path):
            return None
        written_ns = path.stat().st_mtime_ns
        shard = self._shards.get(path)
        if shard is None or shard.written_ns != written_ns:
            shard = _Shard.read(path, written_ns)
            self._shards.put(path, shard)
        return shard.image(name.sha256)

    def _is_inside(self, path: Path) -> bool:
        """True where the file is one of the images' folder, links followed."""
        return path.resolve().is_relative_to(Path(self._store.folder("images").path).resolve())

    def _remote(self, path: UPath, name: ImageName) -> bytes | None:
        if not path.exists():
            return None
        with path.open("rb") as file:
            table = pq.read_table(file, columns=["image"], filters=[("sha256", "=", name.sha256)])
        found = table["image"].combine_chunks().field("bytes")
        return found[0].as_py() if len(found) else None


@dataclass(frozen=True)
class _Shard:
    """The place of every image in one file of images."""

    path: Path
    written_ns: int
    places: Mapping[bytes, tuple[int, int]]  # offset and length by hash

    @classmethod
    def read(cls, path: Path, written_ns: int) -> "_Shard":
        """Reads the places of all images in a file once."""
        content = path.read_bytes()
        table = pq.read_table(io.BytesIO(content), columns=["image", "sha256"])
        places: dict[bytes, tuple[int, int]] = {}
        start = 0
        images = table["image"].combine_chunks().field("bytes")
        for image, sha256 in zip(images, table["sha256"], strict=True):
            data = image.as_py()
            found = content.find(data, start)
            if found < 0:  # in another order, or compressed
                found = content.find(data)
            if found >= 0:
                start = found + len(data)
                places[bytes.fromhex(sha256.as_py())] = (found, len(data))
        return cls(path, written_ns, places)

    def image(self, sha256: str) -> bytes | None:
        place = self.places.get(bytes.fromhex(sha256))
        if place is None:
            return self._from_table(sha256)
        with self.path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), place[1], place[0])

    def _from_table(self, sha256: str) -> bytes | None:
        """Reads an image whose bytes do not stand in the file as they are."""
        table = pq.read_table(self.path, columns=["image"], filters=[("sha256", "=", sha256)], partitioning=None)
        found = table["image"].combine_chunks().field("bytes")
        return found[0].as_py() if len(found) else None


class _Recent(Generic[Key, Value]):
    """The values that were read last, up to a total size."""

    def __init__(self, max_size: int, size: Callable[[Value], int]) -> None:
        self._max_size, self._size = max_size, size
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: Key, value: Value) -> None:
        with self._lock:
            former = self._values.pop(key, None)
            self._total += self._size(value) - (0 if former is None else self._size(former))
            self._values[key] = value
            while self._total > self._max_size and len(self._values) > 1:
                self._total -= self._size(self._values.popitem(last=False)[1])


def _reduced(data: bytes) -> bytes:
    """Returns a JPEG at most `THUMBNAIL_PX` wide and high; one that is already is returned as it is."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        if max(image.size) <= THUMBNAIL_PX:
            return data
        image.draft("RGB", (THUMBNAIL_PX, THUMBNAIL_PX))
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        reduced = io.BytesIO()
        image.convert("RGB").save(reduced, "JPEG", quality=THUMBNAIL_QUALITY)
    return reduced.getvalue()
