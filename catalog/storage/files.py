"""Files of the store: atomic writes, reads and fingerprints."""

from __future__ import annotations

import errno
import filecmp
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

import polars as pl
from upath import UPath

from catalog.storage.durable import make_folder, sync_folder

LOCAL_PROTOCOLS = ("", "file", "local")

_CHUNK_BYTES = 1 << 20
# Errors of a full, failed or read-only disk.
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
_STORE_WAY_OUT = "make that place writable or set SHELFSIGHT_STORE to a folder or URL that is"
_STORE_READ_WAY_OUT = "grant read permission, or set SHELFSIGHT_STORE to a folder or URL that can be read"
_TOO_MANY_OPEN = frozenset({errno.EMFILE, errno.ENFILE})
_UNFINISHED_SUFFIX = ".writing"
_ABANDONED_AFTER_S = 24 * 3600.0
_SCRATCH_WAY_OUT = "make room there or set TMPDIR to a folder that has it"


class StoreNotWritableError(OSError):
    """A path of the store that cannot be written; the message names it and the way out."""


class StoreNotReadableError(OSError):
    """A file of the store that cannot be read; the message names it and the way out."""


def is_remote(root: str | UPath) -> bool:
    """True for a URL of a remote file system, False for a folder of this machine."""
    return UPath(root).protocol not in LOCAL_PROTOCOLS


def store_path(root: str) -> UPath:
    """The path of a store's root; remote listings are not cached, because other processes write there as well."""
    return UPath(root, use_listings_cache=False) if is_remote(root) else UPath(root)


def absolute(root: str) -> str:
    """Returns a URL unchanged and a folder as an absolute path."""
    return root if is_remote(root) else str(Path(UPath(root).path).absolute())


@contextmanager
def replace_file(path: UPath, way_out: str = _STORE_WAY_OUT) -> Iterator[BinaryIO]:
    """Opens a binary file that replaces `path` when the block succeeds and is discarded when it raises.

    Readers see either the old or the new file, never a partial one, also after a power failure: the file is flushed
    before it is renamed, and its folder afterwards. Missing parent folders are created. `way_out` ends the message of
    an error.

    Raises:
        StoreNotWritableError: the path cannot be written.
    """
    with _replace_remote(path, way_out) if is_remote(path) else _replace_local(Path(path.path), way_out) as file:
        yield file


@contextmanager
def _replace_local(path: Path, way_out: str) -> Iterator[BinaryIO]:
    # Hidden and without the suffix .parquet, so that a scan of the folder for tables skips it.
    temporary = path.with_name(f".{uuid4().hex}{_UNFINISHED_SUFFIX}")
    with wrap_os_errors(path, way_out):
        make_folder(path.parent)
        file = temporary.open("xb")
    try:
        # Outermost, because closing an unflushed file on a full disk raises once more.
        with wrap_disk_errors(path, way_out), file:
            yield file
            with wrap_os_errors(path, way_out):
                file.flush()
                os.fsync(file.fileno())
        with wrap_os_errors(path, way_out):
            # Equal bytes leave the old file in place, and with it every reader that has it open.
            if path.exists() and filecmp.cmp(temporary, path, shallow=False):
                temporary.unlink()
            else:
                temporary.replace(path)
            sync_folder(path.parent)  # also of an equal file: a killed writer may have renamed it and no more
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _replace_remote(path: UPath, way_out: str) -> Iterator[BinaryIO]:
    # A remote file opened for writing is published by close(), even by the close() of a failing block.
    # So the content is completed in a local file first; uploading a complete file is atomic on an object store.
    scratch = Path(tempfile.gettempdir())
    with wrap_disk_errors(scratch, _SCRATCH_WAY_OUT), tempfile.NamedTemporaryFile(suffix=_UNFINISHED_SUFFIX) as file:
        yield cast(BinaryIO, file)
        file.flush()
        try:
            path.fs.put_file(file.name, path.path)
        except Exception as error:  # object store clients raise their own types: botocore's are not OSErrors
            raise not_writable(path, error, way_out) from error


@contextmanager
def wrap_os_errors(path: Path | UPath, way_out: str = _STORE_WAY_OUT) -> Iterator[None]:
    """Raises an OSError of the block as `StoreNotWritableError`: one line with the path and the way out."""
    try:
        yield
    except OSError as error:
        raise not_writable(path, error, way_out) from error


@contextmanager
def wrap_disk_errors(path: Path, way_out: str) -> Iterator[None]:
    """Raises disk errors of the caller's block as `StoreNotWritableError`; all other errors pass unchanged."""
    try:
        yield
    except StoreNotWritableError:
        raise
    except OSError as error:
        number = _errno(error)
        if number not in _DISK_ERRORS:
            raise
        raise not_writable(path, OSError(number, os.strerror(number)), way_out) from error
    except pl.exceptions.ComputeError as error:  # Polars writes without Python; its message carries the OS error
        _, marker, reason = str(error).partition("IO error: ")
        if not marker:
            raise
        raise not_writable(path, OSError(reason), way_out) from error


def _errno(error: OSError) -> int:
    """Returns the number of an error, 0 without one; Polars, which writes to files by itself, has it in the message."""
    if error.errno is None:
        found = re.search(r"\(os error (\d+)\)", str(error))
        return int(found[1]) if found else 0
    return error.errno


def not_writable(path: Path | UPath, error: Exception, way_out: str = _STORE_WAY_OUT) -> StoreNotWritableError:
    """Returns the error of a path that cannot be written: one line with the path, the reason and the way out."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno in _TOO_MANY_OPEN:
        way_out = "this process has too many files open, so raise its limit with `ulimit -n 4096`"
    return StoreNotWritableError(f"cannot write {str(path)!r}: {' '.join(reason.split())}; {way_out}")


def read_if_exists(path: UPath) -> bytes | None:
    """Returns a file's content, or None where there is no file; raises `StoreNotReadableError` on any other error."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except Exception as error:  # any type, as in _replace_remote
        reason = " ".join((str(error) or type(error).__name__).split())
        raise StoreNotReadableError(f"cannot read {str(path)!r}: {reason}; {_STORE_READ_WAY_OUT}") from error


def remove_abandoned(folder: UPath) -> None:
    """Removes unfinished files that killed writers left in a folder: those unchanged for a day."""
    if is_remote(folder):
        return  # remote files are uploaded whole, so none is ever unfinished
    for path in Path(folder.path).glob(f".*{_UNFINISHED_SUFFIX}"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
                path.unlink()


def write_parquet(frame: pl.DataFrame, path: UPath) -> None:
    """Writes a table as one Parquet file and replaces the file at `path`."""
    with replace_file(path) as file:
        frame.write_parquet(file, compression="zstd")


def fingerprint(path: UPath) -> str:
    """Returns the SHA-256 of a file's content in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
