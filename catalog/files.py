"""Files of the store: written whole or not at all, and known by their SHA-256."""

from __future__ import annotations

import filecmp
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

import polars as pl
from upath import UPath

LOCAL_PROTOCOLS = ("", "file", "local")

_CHUNK_BYTES = 1 << 20


class StoreNotWritableError(OSError):
    """A place of the store that refuses to be written; the message names the path and the way out."""


@contextmanager
def replace_file(path: UPath) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends well, and vanishes when it raises.

    Readers see the old file or the new one, never half of one. Missing parent folders are made.
    Raises `StoreNotWritableError` where the path cannot be written.
    """
    if path.protocol in LOCAL_PROTOCOLS:
        with _replace_local(Path(path.path)) as file:
            yield file
    else:
        with _replace_remote(path) as file:
            yield file


@contextmanager
def _replace_local(path: Path) -> Iterator[BinaryIO]:
    # Hidden and without the suffix .parquet: whoever scans the folder for tables skips it.
    temporary = path.with_name(f".{uuid4().hex}.writing")
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("xb")
    try:
        with file:
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
    with tempfile.NamedTemporaryFile(suffix=".writing") as file:
        yield cast(BinaryIO, file)
        file.flush()
        with naming(path):
            path.fs.put_file(file.name, path.path)


@contextmanager
def naming(path: Path | UPath) -> Iterator[None]:
    """Errors of the file system, told as one line that names the path and the way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise StoreNotWritableError(
            f"cannot write {str(path)!r}: {reason}; "
            "make that place writable or set SHELFSIGHT_STORE to a folder or URL that is"
        ) from error


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
