"""Journals: the results of a shard's links so far, one record per link, so that a killed download loses no image.

A journal is a file on a local disk, hidden beside the shard's outcomes where the store is local. It keeps images out
of memory until their shard is complete.
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

from catalog.download.downloader import DownloadResult
from catalog.download.records import record_of, result_of
from catalog.images.statuses import Status
from catalog.storage.files import StoreNotWritableError, is_remote, wrap_os_errors

_HEAD = struct.Struct("<III")  # CRC-32 of what follows the head, bytes of the description, bytes of the image


class Journal:
    """The results of one shard, appended to one file; a record that a kill has cut off does not count."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of(cls, outcomes: UPath, shard: str) -> Journal:
        """Returns the journal of a shard whose outcomes belong in that folder."""
        return cls(journal_folder(outcomes) / f".{shard}.journal")

    def open(self) -> dict[str | None, Status]:
        """Prepares the file for further records and returns the final status of each link that has one.

        Raises `StoreNotWritableError` where its folder cannot be created.
        """
        with wrap_os_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            return {}
        final: dict[str | None, Status] = {}
        with self._path.open("r+b") as file:
            whole = 0
            for url, result in _records(file):
                whole = file.tell()
                if not result.status.retryable:
                    final[url] = result.status
            file.truncate(whole)
        return final

    def add(self, url: str | None, result: DownloadResult) -> None:
        """Appends the result of a link. Raises `StoreNotWritableError` where the disk refuses."""
        image = result.image
        description = record_of(url, result).encode()
        data = image.data if image else b""
        body = description + data
        with wrap_os_errors(self._path), self._path.open("ab") as file:
            file.write(_HEAD.pack(crc32(body), len(description), len(data)) + body)

    def results(self) -> dict[str | None, DownloadResult]:
        """Returns the result of each link; of several records the last counts."""
        if not self._path.exists():
            return {}
        with self._path.open("rb") as file:
            return dict(_records(file))

    def remove(self) -> None:
        """Removes the file, once its shard is written."""
        self._path.unlink(missing_ok=True)


class MemoryJournal:
    """The results of one shard in memory, for a task that its engine runs again from the start after a failure."""

    def __init__(self) -> None:
        self._results: dict[str | None, DownloadResult] = {}

    def open(self) -> dict[str | None, Status]:
        """Returns no links: there is nothing to resume."""
        return {}

    def add(self, url: str | None, result: DownloadResult) -> None:
        """Adds the result of a link."""
        self._results[url] = result

    def results(self) -> dict[str | None, DownloadResult]:
        """Returns the result of each link."""
        return self._results

    def remove(self) -> None:
        """Frees the images, once the shard is written."""
        self._results = {}


def remove_journals(outcomes: UPath) -> None:
    """Removes the journals left in a complete delivery: a kill can come between a shard's last file and its journal."""
    for path in journal_folder(outcomes).glob(".shard-*.journal"):
        path.unlink(missing_ok=True)


def journal_folder(outcomes: UPath) -> Path:
    """Returns the local folder of a delivery's journals."""
    if not is_remote(outcomes):
        return Path(outcomes.path)
    # Two stores may have a bucket of the same name; their endpoints differ. Other options may change between runs,
    # or while a client uses them.
    options = outcomes.storage_options
    endpoint = options.get("endpoint_url") or (options.get("client_kwargs") or {}).get("endpoint_url") or ""
    key = sha256(f"{endpoint} {outcomes}".encode()).hexdigest()[:16]
    return _scratch() / f"journals-{key}"


def _scratch() -> Path:
    """This user's own folder among the machine's temporary files; no other user can have put files into it."""
    folder = Path(tempfile.gettempdir()) / f"shelfsight-{os.getuid()}"
    with wrap_os_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StoreNotWritableError(
            f"{str(folder)!r} is not a folder of this user alone; remove it or set TMPDIR to a folder of your own"
        )
    return folder


def _records(file: BinaryIO) -> Iterator[tuple[str | None, DownloadResult]]:
    """Reads the whole records from the start of the file; its position is behind each record as it is yielded."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        checksum, num_described, num_data = _HEAD.unpack(head)
        body = file.read(num_described + num_data)
        if len(body) < num_described + num_data or crc32(body) != checksum:
            return
        yield result_of(body[:num_described], body[num_described:])
