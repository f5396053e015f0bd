"""Compression: feeds that come as `.gz` or `.zst` are unpacked as they stream by, never as a whole."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import BinaryIO, cast

import pyarrow as pa

from catalog.feeds.feed import FeedError

# Feeds shrink to a tenth or a twentieth. A file that grows a thousandfold is a decompression bomb.
MAX_RATIO = 500
FREE_BYTES = 100_000_000  # of content, whatever the size of the file

_BLOCK_BYTES = 1 << 20


def _open_gzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb"))


def _open_zstd(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))


OPENERS: Mapping[str, Callable[[BinaryIO], BinaryIO]] = MappingProxyType({".gz": _open_gzip, ".zst": _open_zstd})


def uncompressed_name(filename: str) -> str:
    """Return the file's name without the suffix of its compression, where it has one."""
    suffix = PurePosixPath(filename).suffix
    return filename.removesuffix(suffix) if suffix.lower() in OPENERS else filename


def decompressed(file: BinaryIO, filename: str, name: str) -> BinaryIO:
    """Return the content of a file as a stream; the file itself where the suffix of its name is of no compression.

    The stream cannot seek. Reading it raises `FeedError` for a file that is damaged, cut off or a bomb: more than
    `MAX_RATIO` times as large as the file.

    Args:
        filename: The file's name, with the suffix of its compression.
        name: The feed's name in messages.
    """
    opener = OPENERS.get(PurePosixPath(filename).suffix.lower())
    if opener is None:
        return file
    return cast(BinaryIO, io.BufferedReader(_Decompressed(file, opener, name), _BLOCK_BYTES))


def refuse_bomb(num_bytes: int, num_packed_bytes: int, name: str) -> None:
    """Raise `FeedError` for content of more than `MAX_RATIO` times its packed size."""
    if num_bytes > FREE_BYTES + MAX_RATIO * num_packed_bytes:
        raise FeedError(f"{name}: unpacks to more than {MAX_RATIO} times its size; deliver it uncompressed")


class _Counted(io.RawIOBase):
    """A file that counts the bytes read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.num_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        self.num_bytes += len(block)
        return len(block)


class _Decompressed(io.RawIOBase):
    """The content as a stream; errors of the libraries are raised as `FeedError`."""

    def __init__(self, file: BinaryIO, opener: Callable[[BinaryIO], BinaryIO], name: str) -> None:
        self._name = name
        self._packed = _Counted(file)
        self._content = opener(cast(BinaryIO, io.BufferedReader(self._packed, _BLOCK_BYTES)))
        self._num_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            block = self._content.read(len(buffer))
        except (EOFError, zlib.error, OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise FeedError(f"{self._name}: damaged or cut off ({reason}); deliver it again, whole") from error
        buffer[: len(block)] = block
        self._num_bytes += len(block)
        refuse_bomb(self._num_bytes, self._packed.num_bytes, self._name)
        return len(block)
