"""Inbox entries: the feed files of partners' folders, and what is there but is none, each with the reason.

Whoever may write into a partner's folder must not reach a file elsewhere with it, so no link is followed, be it a
file, a folder or the folder of a partner: not when the inbox is listed, and not when a file of it is opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from upath import UPath

from catalog.storage.files import LOCAL_PROTOCOLS

LINK = "it is a symbolic link, and links are not followed; put a copy of the file or folder itself there"
_NOT_A_FILE = {
    stat.S_IFIFO: "it is a named pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}


class EntryRefusedError(OSError):
    """An entry of the inbox that is no feed file; the message has the reason and the way out."""


@dataclass(frozen=True)
class InboxEntries:
    """The entries of an inbox."""

    files: list[UPath] = field(default_factory=list)  # in a stable order
    refused: dict[str, str] = field(default_factory=dict)  # path below the inbox, printable -> reason and way out


def inbox_entries(inbox: UPath) -> InboxEntries:
    """Return every visible entry of the partners' folders of an inbox; hidden files are incomplete and left out."""
    if not inbox.exists():
        return InboxEntries()
    if inbox.protocol not in LOCAL_PROTOCOLS:  # object stores have files alone
        partners = sorted(path for path in inbox.iterdir() if path.is_dir())
        found = (path for partner in partners for path in sorted(partner.iterdir()))
        return InboxEntries(files=[path for path in found if path.is_file() and not path.name.startswith(".")])
    entries = InboxEntries()
    for partner in _listed(Path(inbox.path), entries, "the inbox"):
        if partner.is_symlink():
            if not partner.name.startswith("."):
                entries.refused[printable(partner.name)] = LINK
        elif partner.is_dir():
            for path in _listed(partner, entries, printable(partner.name)):
                _add(inbox / partner.name / path.name, path, entries)
    return entries


def _listed(folder: Path, entries: InboxEntries, name: str) -> Iterator[Path]:
    """Yields what is in a folder, in order; one that cannot be listed is refused."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        entries.refused[name] = f"it cannot be listed ({error.strerror}); grant read permission"
        return
    yield from found


def _add(file: UPath, path: Path, entries: InboxEntries) -> None:
    if path.name.startswith("."):
        return
    try:
        mode = path.lstat().st_mode
    except OSError:  # it is gone since
        return
    reason = refusal(mode)
    if reason:
        entries.refused[printable(f"{path.parent.name}/{path.name}")] = reason
    elif stat.S_ISREG(mode):
        entries.files.append(file)


def refusal(mode: int) -> str:
    """Return why an entry of this mode is refused; empty for a file, and for a folder, which is no feed."""
    if stat.S_ISLNK(mode):
        return LINK
    kind = _NOT_A_FILE.get(stat.S_IFMT(mode))
    return f"{kind}, not a file; remove it, or put a file there" if kind else ""


def open_entry(path: Path) -> BinaryIO:
    """Open a file of the inbox. It must be a file, not a link, in a folder that is none.

    What was listed as a file may be a link a moment later, so the file that is opened is the one that is checked.

    Raises:
        EntryRefusedError: it is no such file.
        OSError: it cannot be opened.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:  # without waiting, as a pipe would let one
            descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError:
        if path.is_symlink() or path.parent.is_symlink():
            raise EntryRefusedError(LINK) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise EntryRefusedError(refusal(mode) or "it is a folder, not a file")
    return os.fdopen(descriptor, "rb")


def printable(name: str) -> str:
    """Return a name without control characters and bytes that are no text, which are escaped as Python does it."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in name)
