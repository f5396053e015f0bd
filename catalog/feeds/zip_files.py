"""Zip files: the one feed in them is read as it streams by; nothing is written to disk."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from catalog.feeds.compression import refuse_bomb, watched
from catalog.feeds.feed import FeedError

MAX_DIRECTORY_BYTES = 4_000_000  # of the list of files, read as a whole
MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_ARCHIVES = frozenset({".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz"})
_BESIDE = re.compile(
    r"read_?me|liesmich|lisez|leeme|licen[cs]e|lizenz|changelog|manifest|thumbs\.db|desktop\.ini", re.IGNORECASE
)
_NO_FEEDS = frozenset(
    {".md", ".pdf", ".html", ".htm", ".jpg", ".jpeg", ".png", ".gif", ".doc", ".docx", ".xsd", ".dtd"}
)
_SHOWN = 5


class ZipFeed:
    """A zip file of one feed.

    Raises:
        FeedError: The file is damaged, encrypted, a bomb, or has no feed, several, or an archive in it.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._name = name
        self._num_file_bytes = file.seek(0, os.SEEK_END)
        try:
            self._zip = zipfile.ZipFile(cast(BinaryIO, _Directory(file, name)))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            raise FeedError(f"{name}: not a readable zip file ({error}); deliver it again, whole") from error

    @property
    def names(self) -> list[str]:
        """The names of the files in it."""
        return [each.filename for each in self._zip.infolist()]

    @property
    def num_bytes(self) -> int:
        """The size of all files in it, unpacked, as its directory has it."""
        return sum(each.file_size for each in self._zip.infolist())

    @property
    def is_spreadsheet(self) -> bool:
        """True for `.xlsx`, `.xlsm`, `.xlsb` and `.ods`, which are zip files, too."""
        names = set(self.names)
        if {"xl/workbook.xml", "xl/workbook.bin"} & names:
            return True
        return {"mimetype", "content.xml"} <= names

    def open(self) -> tuple[str, BinaryIO]:
        """Return the name of the feed in it, and its content as a stream that cannot seek."""
        entry = self._entry()
        if entry.flag_bits & 1:
            raise FeedError(f"{self._name}: the zip file is encrypted; deliver it without a password")
        if entry.compress_type not in _METHODS:
            raise FeedError(
                f"{self._name}: the zip file is packed by method {entry.compress_type}; pack it by deflate, as usual"
            )
        refuse_bomb(entry.file_size, entry.compress_size, self._name)
        num_packed = min(entry.compress_size, self._num_file_bytes)
        try:
            content = cast(BinaryIO, self._zip.open(entry))
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
            raise FeedError(f"{self._name}: not a readable zip file ({error}); deliver it again, whole") from error
        name = PurePosixPath(entry.filename.replace("\\", "/")).name
        return name, watched(content, lambda: num_packed, self._name)

    def _entry(self) -> zipfile.ZipInfo:
        entries = [each for each in self._zip.infolist() if not _is_beside(each)]
        if not entries:
            raise FeedError(f"{self._name}: no feed in the zip file; put one into it, or deliver it by itself")
        feeds = [each for each in entries if PurePosixPath(each.filename).suffix.lower() not in _NO_FEEDS]
        chosen = feeds or entries
        if len(chosen) > 1:
            shown = ", ".join(repr(each.filename[:80]) for each in chosen[:_SHOWN])
            more = f" and {len(chosen) - _SHOWN} more" if len(chosen) > _SHOWN else ""
            raise FeedError(
                f"{self._name}: several files in the zip file: {shown}{more}; deliver each feed in a file of its own"
            )
        if PurePosixPath(chosen[0].filename).suffix.lower() in _ARCHIVES:
            raise FeedError(f"{self._name}: an archive within the archive, {chosen[0].filename[:80]!r}; pack it once")
        return chosen[0]


def is_zip(head: bytes) -> bool:
    """Return whether a file is a zip file, by its first bytes."""
    return head.startswith(MAGIC)


def _is_beside(entry: zipfile.ZipInfo) -> bool:
    """Returns whether an entry is no feed but something that a program or a person put beside it."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    return (
        entry.is_dir()
        or path.parts[:1] == ("__MACOSX",)
        or path.name.startswith(".")
        or _BESIDE.match(path.name) is not None
        or entry.file_size == 0
    )


class _Directory:
    """A file from which a zip file's list of files is read, within a limit, before its content is."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise FeedError(f"{self._name}: the zip file lists too many files; deliver the feed by itself")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True
