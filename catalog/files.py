"""Files of the store: written whole or not at all, and known by their SHA-256."""

from __future__ import annotations

import errno
import filecmp
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

import polars as pl
import xxhash
from upath import UPath

LOCAL_PROTOCOLS = ("", "file", "local")

_CHUNK_BYTES = 1 << 20
# What a disk answers that has no room or has failed.
_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
_STORE_WAY_OUT = "make that place writable or set SHELFSIGHT_STORE to a folder or URL that is"
_STORE_READ_WAY_OUT = "give the right to read it, or set SHELFSIGHT_STORE to a folder or URL that can be read"
_IN_THE_MAKING = ".writing"
_ABANDONED_AFTER_S = 24 * 3600.0
_SCRATCH_WAY_OUT = "make room there or set TMPDIR to a folder that has it"


class StoreNotWritableError(OSError):
    """A place of the store that refuses to be written; the message names the path and the way out."""


class StoreNotReadableError(OSError):
    """A file of the store that may not or cannot be read; the message names the path and the way out."""


def is_remote(root: str | UPath) -> bool:
    """Whether a place is not one of this machine's."""
    return UPath(root).protocol not in LOCAL_PROTOCOLS


def place(root: str) -> UPath:
    """A folder or URL, seen as it is: remote listings are not remembered, for other processes write there as well."""
    return UPath(root, use_listings_cache=False) if is_remote(root) else UPath(root)


def absolute(root: str) -> str:
    """A URL as it is, a folder from the root of the file system."""
    return root if is_remote(root) else str(Path(UPath(root).path).absolute())


@contextmanager
def replace_file(path: UPath) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends well, and vanishes when it raises.

    Readers see the old file or the new one, never half of one. Missing parent folders are made.
    Raises `StoreNotWritableError` where the path cannot be written.
    """
    with _replace_remote(path) if is_remote(path) else _replace_local(Path(path.path)) as file:
        yield file


@contextmanager
def _replace_local(path: Path) -> Iterator[BinaryIO]:
    # Hidden and without the suffix .parquet: whoever scans the folder for tables skips it.
    temporary = path.with_name(f".{uuid4().hex}{_IN_THE_MAKING}")
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("xb")
    try:
        # Outside of the file, for closing a file that is not flushed meets the full disk once more.
        with _naming_refusals(path, _STORE_WAY_OUT), file:
            yield file
            with naming(path):
                file.flush()
                os.fsync(file.fileno())
        with naming(path):
            # The same bytes again leave the old file alone, and with it every reader that has it open.
            if path.exists() and filecmp.cmp(temporary, path, shallow=False):
                temporary.unlink()
            else:
                temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _replace_remote(path: UPath) -> Iterator[BinaryIO]:
    # A remote file opened for writing is published by close(), even by the close() of a failing block.
    # So the content is finished here first; putting a finished file is all or nothing on an object store.
    scratch = Path(tempfile.gettempdir())
    with _naming_refusals(scratch, _SCRATCH_WAY_OUT), tempfile.NamedTemporaryFile(suffix=_IN_THE_MAKING) as file:
        yield cast(BinaryIO, file)
        file.flush()
        try:
            path.fs.put_file(file.name, path.path)
        except Exception as error:  # clients of object stores raise what they like: botocore's are no OSErrors
            raise _not_writable(path, error, _STORE_WAY_OUT) from error


@contextmanager
def naming(path: Path | UPath) -> Iterator[None]:
    """Errors of the file system, told as one line that names the path and the way out."""
    try:
        yield
    except OSError as error:
        raise _not_writable(path, error, _STORE_WAY_OUT) from error


@contextmanager
def _naming_refusals(path: Path, way_out: str) -> Iterator[None]:
    """A disk that refuses while a caller's block writes, told as `naming` does; other errors are the block's own."""
    try:
        yield
    except StoreNotWritableError:
        raise
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise _not_writable(path, error, way_out) from error
    except pl.exceptions.ComputeError as error:  # Polars writes past Python, and tells the system's error in words
        _, told, reason = str(error).partition("IO error: ")
        if not told:
            raise
        raise _not_writable(path, OSError(reason), way_out) from error


def _not_writable(path: Path | UPath, error: Exception, way_out: str) -> StoreNotWritableError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return StoreNotWritableError(f"cannot write {str(path)!r}: {' '.join(reason.split())}; {way_out}")


def read_if_there(path: UPath) -> bytes | None:
    """A file's content, None where none lies; raises `StoreNotReadableError` where that cannot be told."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except Exception as error:  # as in _replace_remote: whatever the store's client raises
        reason = " ".join((str(error) or type(error).__name__).split())
        raise StoreNotReadableError(f"cannot read {str(path)!r}: {reason}; {_STORE_READ_WAY_OUT}") from error


def remove_abandoned(folder: UPath) -> None:
    """Removes what killed writers have left in a folder: files in the making that nobody has touched for a day."""
    if is_remote(folder):
        return  # there a file is made elsewhere and put as a whole
    for path in Path(folder.path).glob(f".*{_IN_THE_MAKING}"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
                path.unlink()


def write_parquet(frame: pl.DataFrame, path: UPath) -> None:
    """Writes a table as one Parquet file that replaces the one at `path`."""
    with replace_file(path) as file:
        frame.write_parquet(file, compression="zstd")


def fingerprint(path: UPath) -> str:
    """The SHA-256 of a file's content, as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def content_hash(frame: pl.DataFrame) -> str:
    """128 bits of a table's schema and rows in their order, whatever file they lie in, as hexadecimal text.

    By XXH3, which tells changes at the speed of memory; it does not withstand anybody who looks for a collision.
    """
    digest = xxhash.xxh3_128(repr(frame.schema).encode())
    frame.write_ipc(cast(BinaryIO, _DigestSink(digest.update)), compat_level=pl.CompatLevel.oldest())
    return digest.hexdigest()


class _DigestSink(io.RawIOBase):
    """A file that keeps nothing of what is written but tells it on."""

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:  # a buffer
        self._tell(content)
        return len(content)
