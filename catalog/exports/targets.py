"""Targets of exports: a file or a folder that is replaced when the export is complete, and untouched when it fails."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from upath import UPath

from catalog.storage.files import is_remote, replace_file, wrap_disk_errors, wrap_os_errors

MANIFEST = "export.json"  # marks a folder as an export, which another export may replace
WAY_OUT = "make room or grant permission there, or export to another place; an earlier export is unchanged"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of <fcntl.h> and <linux/fs.h>


@contextmanager
def replaced_file(path: UPath) -> Iterator[BinaryIO]:
    """Opens a binary file that replaces `path` when the block succeeds and is discarded when it raises.

    Raises:
        IsADirectoryError: the path is a folder.
        StoreNotWritableError: the path cannot be written.
    """
    if not is_remote(path) and Path(path.path).is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; name a file in it, such as {str(path / 'catalog.csv')!r}")
    with replace_file(path, WAY_OUT) as file:
        yield file


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yields a new folder that replaces `path` when the block succeeds and is removed when it raises.

    On Linux both folders are exchanged in one step, so that a kill at any moment leaves the former or the new one. A
    folder that a kill leaves unfinished is hidden, named `.NAME.*.writing`; the next export of that name removes it.

    Raises:
        FileExistsError: something else than an export, or an empty folder, is in the place.
        StoreNotWritableError: the folder cannot be written.
    """
    path = path.absolute()
    if path.exists() and not (path.is_dir() and ((path / MANIFEST).is_file() or not any(path.iterdir()))):
        raise FileExistsError(f"{str(path)!r} is no earlier export; name a new folder, or remove what is there")
    unfinished = path.with_name(f".{path.name}.{uuid4().hex[:8]}.writing")
    with wrap_os_errors(path, WAY_OUT):
        path.parent.mkdir(parents=True, exist_ok=True)
        for abandoned in path.parent.glob(f".{_escaped(path.name)}.*.writing"):
            shutil.rmtree(abandoned)
        unfinished.mkdir()
    try:
        with wrap_disk_errors(path, WAY_OUT):
            yield unfinished
        with wrap_os_errors(path, WAY_OUT):
            _flush(unfinished)
            _put_in_place(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)  # after an exchange, the former export


def _flush(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())


def _put_in_place(new: Path, path: Path) -> None:
    if not path.exists():
        new.rename(path)
    elif not _exchange(new, path):
        former = new.with_suffix(".former")
        path.rename(former)
        new.rename(path)
        shutil.rmtree(former)


def _exchange(one: Path, other: Path) -> bool:
    """Swaps two folders atomically; returns False where the system or the file system cannot."""
    with suppress(AttributeError):  # no Linux, or a C library before glibc 2.28 and musl 1.2
        rename = ctypes.CDLL(None, use_errno=True).renameat2
        return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)
    return False


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
