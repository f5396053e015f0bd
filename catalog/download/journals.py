"""Journals: the results of a shard's links so far, one record per link, so that a killed download loses no image.

A journal is a file on a local disk, hidden beside the shard's outcomes where the store is local. It keeps images out
of memory until their shard is complete. A record that cannot be replayed, be it of another version of this program or
damaged, is quarantined: it moves to a file beside the journal, and its link is fetched again.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

from upath import UPath

from catalog.download.downloader import DownloadResult
from catalog.download.journal_files import packed, quarantine, raw_records
from catalog.download.records import record_of
from catalog.images.statuses import Status
from catalog.storage.files import StoreNotWritableError, is_remote, wrap_os_errors

_log = logging.getLogger(__name__)


class Journal:
    """The results of one shard, appended to one file; a record that a kill has cut off does not count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.num_bad = 0  # records that the last `results` could not replay

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
        bad: list[tuple[int, int]] = []
        with wrap_os_errors(self._path), self._path.open("r+b") as file:
            whole = 0
            for record in raw_records(file):
                whole = record.end
                replayed = record.replayed()
                if replayed is None:
                    bad.append((record.start, record.end))
                elif not replayed[1].status.retryable:
                    final[replayed[0]] = replayed[1].status
            file.truncate(whole)
        if bad:
            with wrap_os_errors(self._path):
                beside = quarantine(self._path, bad)
            _log.error(
                "%d records of %s cannot be replayed; they are in %s now, and their links are fetched again",
                len(bad),
                self._path,
                beside.name,
            )
        return final

    def add(self, url: str | None, result: DownloadResult) -> None:
        """Appends the result of a link. Raises `StoreNotWritableError` where the disk refuses."""
        image = result.image
        record = packed(record_of(url, result).encode(), image.data if image else b"")
        with wrap_os_errors(self._path), self._path.open("ab") as file:
            file.write(record)

    def results(self) -> dict[str | None, DownloadResult]:
        """Returns the result of each link; of several records the last counts."""
        results: dict[str | None, DownloadResult] = {}
        self.num_bad = 0
        if not self._path.exists():
            return results
        with self._path.open("rb") as file:
            for record in raw_records(file):
                replayed = record.replayed()
                if replayed is None:
                    self.num_bad += 1
                else:
                    results[replayed[0]] = replayed[1]
        return results

    def remove(self) -> None:
        """Removes the file, once its shard is written."""
        self._path.unlink(missing_ok=True)


class MemoryJournal:
    """The results of one shard in memory, for a task that its engine runs again from the start after a failure."""

    num_bad = 0  # results are not recorded, so none fails to be replayed

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
