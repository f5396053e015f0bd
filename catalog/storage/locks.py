"""Locks: one process at a time, on one machine; the kernel frees the lock of a process that ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from catalog.storage.durable import make_folder
from catalog.storage.files import wrap_os_errors

_MAX_HOLDER_BYTES = 1_000
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK})  # of a file system that has none


class LockedError(RuntimeError):
    """Another process is at work on the same thing; the message names both and the way out."""


@contextmanager
def locked(path: Path, work: str) -> Iterator[None]:
    """Holds a lock while the block runs; raises at once where another process, or thread, holds it.

    The lock is an advisory one (flock) on a file, which exists only meanwhile and contains its holder. A file system
    without such locks keeps nobody off.

    Args:
        path: the file, in a folder that is created where it is missing.
        work: what the block does, such as "the download of delivery 'a.b'", for the error.

    Raises:
        LockedError: another process has it; the message names that process.
        StoreNotWritableError: the file cannot be created.
    """
    with wrap_os_errors(path):
        make_folder(path.parent)
        opened = _opened(path, work, is_waiting=False)
    try:
        _describe(opened)
        yield
    finally:
        _release(path, opened)


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Holds a lock while the block runs, and waits for whoever holds it; for blocks that take milliseconds."""
    with wrap_os_errors(path):
        make_folder(path.parent)
        opened = _opened(path, "", is_waiting=True)
    try:
        yield
    finally:
        _release(path, opened)


def _opened(path: Path, work: str, *, is_waiting: bool) -> int:
    """Returns the locked file's descriptor."""
    while True:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX if is_waiting else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(opened, _MAX_HOLDER_BYTES).decode(errors="replace") or "another process"
            os.close(opened)
            raise LockedError(
                f"{work} is already under way: {holder} holds {str(path)!r}; wait for its end, or stop it"
            ) from None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return opened
            os.close(opened)
            raise
        if _is_the_file(path, opened):
            return opened
        os.close(opened)  # its holder has removed it since it was opened


def _is_the_file(path: Path, opened: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(opened))
    except FileNotFoundError:
        return False


def _describe(opened: int) -> None:
    """Writes this process into the file, for the error of others."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(opened, 0)
    os.pwrite(opened, f"process {os.getpid()} on {socket.gethostname()}, since {now},".encode(), 0)


def _release(path: Path, opened: int) -> None:
    """Removes the file before the lock is released, so that nobody locks a file that is about to be removed."""
    if _is_the_file(path, opened):
        path.unlink(missing_ok=True)
    os.close(opened)
