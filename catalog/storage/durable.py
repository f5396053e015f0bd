"""Durable names: folders whose creation, and files whose renaming or removal, survive a power failure.

`fsync` of a file keeps its content. Its name is an entry of its folder, which has to be flushed as well.
"""

from __future__ import annotations

import errno
import os
from itertools import takewhile
from pathlib import Path

# File systems that flush no folders, such as those of some network shares, say so.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})


def sync_folder(folder: Path) -> None:
    """Flushes a folder's entries to disk: names that were added, replaced or removed. Raises OSError on a disk error.

    A file system that cannot flush a folder is left alone.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(opened)


def make_folder(folder: Path) -> None:
    """Creates a folder and its missing parents, and flushes their names; raises OSError where that fails."""
    missing = list(takewhile(lambda each: not each.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    for created in reversed(missing):
        sync_folder(created.parent)


def sync_tree(folder: Path) -> None:
    """Flushes all files of a folder that others have written there, its subfolders, and its own name."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        elif path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)
    sync_folder(folder.parent)
