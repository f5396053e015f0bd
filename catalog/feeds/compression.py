"""Compression: feeds that come packed, as `.gz`, `.bz2`, `.xz` or `.zst`, are unpacked as they stream by.

What a file is packed with is known by its first bytes, whatever its name.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import BinaryIO, cast

import pyarrow as pa

from catalog.feeds.feed import FeedError

# Feeds shrink to a tenth or a twentieth. A file that grows a thousandfold is a decompression bomb.
MAX_RATIO = 500
FREE_BYTES = 100_000_000  # of content, whatever the size of the file

MAX_XZ_BYTES = 200_000_000  # of memory; `xz -9` takes 65 MB to unpack

_BLOCK_BYTES = 1 << 20


def _open_gzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb"))


def _open_zstd(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))


def _open_bzip2(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(file, mode="rb"))


def _open_xz(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Xz(file), _BLOCK_BYTES))


@dataclass(frozen=True)
class Compression:
    """A kind of compression: its name, the suffix of files, their first bytes, and what unpacks them."""

    name: str
    suffix: str
    magic: re.Pattern[bytes]
    open: Callable[[BinaryIO], BinaryIO]


COMPRESSIONS = (
    Compression("gzip", ".gz", re.compile(rb"\x1f\x8b\x08"), _open_gzip),
    Compression("zstandard", ".zst", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _open_zstd),
    Compression("bzip2", ".bz2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"), _open_bzip2),
    Compression("xz", ".xz", re.compile(rb"\xfd7zXZ\x00"), _open_xz),
)
ZIP_SUFFIX = ".zip"
SUFFIXES: Mapping[str, str] = MappingProxyType({each.suffix: each.name for each in COMPRESSIONS} | {ZIP_SUFFIX: "zip"})


def uncompressed_name(filename: str) -> str:
    """Return the file's name without the suffix of its compression, where it has one."""
    suffix = PurePosixPath(filename).suffix
    return filename.removesuffix(suffix) if suffix.lower() in SUFFIXES else filename


def compression_of(head: bytes) -> Compression | None:
    """Return the compression of a file by its first bytes; None for one that is not compressed, and for `.zip`."""
    return next((each for each in COMPRESSIONS if each.magic.match(head)), None)


def decompressed(file: BinaryIO, compression: Compression, name: str) -> BinaryIO:
    """Return the content of a compressed file as a stream.

    The stream cannot seek. Reading it raises `FeedError` for a file that is damaged, cut off or a bomb: more than
    `MAX_RATIO` times as large as the file.

    Args:
        name: The feed's name in messages.
    """
    packed = _Counted(file)
    content = compression.open(cast(BinaryIO, io.BufferedReader(packed, _BLOCK_BYTES)))
    return watched(content, lambda: packed.num_bytes, name)


def watched(content: BinaryIO, num_packed: Callable[[], int], name: str) -> BinaryIO:
    """Return a stream of unpacked content whose damage, and whose size against the packed bytes, raise `FeedError`."""
    return cast(BinaryIO, io.BufferedReader(_Watched(content, num_packed, name), _BLOCK_BYTES))


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


class _Watched(io.RawIOBase):
    """The content as a stream; errors of the libraries are raised as `FeedError`."""

    def __init__(self, content: BinaryIO, num_packed: Callable[[], int], name: str) -> None:
        self._name, self._content, self._num_packed = name, content, num_packed
        self._num_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            block = self._content.read(len(buffer))
        except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise FeedError(f"{self._name}: damaged or cut off ({reason}); deliver it again, whole") from error
        buffer[: len(block)] = block
        self._num_bytes += len(block)
        refuse_bomb(self._num_bytes, self._num_packed(), self._name)
        return len(block)


class _Xz(io.RawIOBase):
    """The content of an `.xz` file, of one stream or several, within a limit of memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor = self._new()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            if self._decompressor.eof:
                self._rest = self._decompressor.unused_data.lstrip(b"\0")
                if not self._rest and not (rest := self._file.read(_BLOCK_BYTES).lstrip(b"\0")):
                    return 0
                self._rest = self._rest or rest
                self._decompressor = self._new()
            needs_input = self._decompressor.needs_input and not self._rest
            packed = self._file.read(_BLOCK_BYTES) if needs_input else self._rest
            if needs_input and not packed:
                raise EOFError("the file ends before its content does")
            self._rest = b""
            block = self._decompressor.decompress(packed, len(buffer))
            if block:
                buffer[: len(block)] = block
                return len(block)

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_BYTES)
