"""Journals: what a shard under way has got so far, one record a link, so that a kill costs no picture twice.

A journal lies on a local disk, hidden beside the shard's outcomes where the store is local. Pictures wait in it
rather than in memory until their shard is complete.
"""

from __future__ import annotations

import os
import stat
import struct
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from upath import UPath

from catalog.files import StoreNotWritableError, is_remote, naming
from catalog.images.downloading import Ending
from catalog.images.records import ending_of, record_of

_HEAD = struct.Struct("<III")  # CRC-32 of what follows the head, bytes of the description, bytes of the picture


class Journal:
    """The records of one shard, appended to one file; a record that was cut off by a kill does not count."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of(cls, outcomes: UPath, shard: str) -> Journal:
        """The journal of a shard whose outcomes will lie in that folder."""
        return cls(_folder(outcomes) / f".{shard}.journal")

    def open(self) -> set[str | None]:
        """Makes it ready to go on; returns the links whose end in it is final.

        Raises `StoreNotWritableError` where its folder cannot be made.
        """
        with naming(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            return set()
        ended: set[str | None] = set()
        with self._path.open("r+b") as file:
            whole = 0
            for url, ending in _records(file):
                whole = file.tell()
                if not ending.status.retryable:
                    ended.add(url)
            file.truncate(whole)
        return ended

    def add(self, url: str | None, ending: Ending) -> None:
        """Appends how it ended with a link. Raises `StoreNotWritableError` where the disk refuses."""
        picture = ending.picture
        description = record_of(url, ending).encode()
        data = picture.data if picture else b""
        body = description + data
        with naming(self._path), self._path.open("ab") as file:
            file.write(_HEAD.pack(crc32(body), len(description), len(data)) + body)

    def endings(self) -> dict[str | None, Ending]:
        """How it ended with each link; of several records the last counts."""
        if not self._path.exists():
            return {}
        with self._path.open("rb") as file:
            return dict(_records(file))

    def remove(self) -> None:
        """Removes it, once its shard is written."""
        self._path.unlink(missing_ok=True)


def remove_journals(outcomes: UPath) -> None:
    """Removes what is left once a delivery is whole: a kill may come between a shard's last file and its journal."""
    for path in _folder(outcomes).glob(".shard-*.journal"):
        path.unlink(missing_ok=True)


def _folder(outcomes: UPath) -> Path:
    """Where the journals of a delivery lie."""
    if not is_remote(outcomes):
        return Path(outcomes.path)
    # Two stores may have a bucket of one name: their endpoint tells them apart. Other options may change between runs,
    # or while a client uses them.
    options = outcomes.storage_options
    endpoint = options.get("endpoint_url") or (options.get("client_kwargs") or {}).get("endpoint_url") or ""
    place = sha256(f"{endpoint} {outcomes}".encode()).hexdigest()[:16]
    return _scratch() / f"journals-{place}"


def _scratch() -> Path:
    """This user's own folder among the machine's temporary files; nobody else can have laid anything in it."""
    folder = Path(tempfile.gettempdir()) / f"shelfsight-{os.getuid()}"
    with naming(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = folder.lstat()
    if not stat.S_ISDIR(told.st_mode) or told.st_uid != os.getuid() or told.st_mode & 0o077:
        raise StoreNotWritableError(
            f"{str(folder)!r} is not a folder of this user alone; remove it or set TMPDIR to a folder of your own"
        )
    return folder


def _records(file: BinaryIO) -> Iterator[tuple[str | None, Ending]]:
    """The whole records from the start of the file, the file standing behind each as it is yielded."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        checksum, num_described, num_data = _HEAD.unpack(head)
        body = file.read(num_described + num_data)
        if len(body) < num_described + num_data or crc32(body) != checksum:
            return
        yield ending_of(body[:num_described], body[num_described:])
