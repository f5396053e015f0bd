"""Local files: reads images of this machine, below the roots only, whatever links lie on the way.

The real path of a file has to be below the real path of a root. It is then opened folder by folder from that root
without following links, so a link that is put in place between the check and the read leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.download.fetched import Fetched, Validators
from catalog.download.image_roots import FileLink
from catalog.images.statuses import Status
from catalog.network.guards import BlockedAddressError

_CHUNK_BYTES = 1 << 20
_STATUS_OF_ERRNO = {
    errno.ENOENT: Status.GONE,
    errno.ENOTDIR: Status.GONE,
    errno.ENAMETOOLONG: Status.INVALID_URL,
    errno.EISDIR: Status.NOT_AN_IMAGE,
    errno.ENXIO: Status.NOT_AN_IMAGE,  # a socket, or a pipe that nobody writes to
    errno.ELOOP: Status.BLOCKED_ADDRESS,  # a link, which the real path did not have
    errno.EACCES: Status.HOST_REFUSED,
    errno.EPERM: Status.HOST_REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """The most bytes that an image may have, and the time on the monotonic clock at which reading ends."""

    max_bytes: int
    deadline_s: float


def read_local(link: FileLink, folders: Sequence[str], limits: ReadLimits, known: Validators) -> Fetched:
    """Reads the file of a link, or the range of its bytes; never raises for a file.

    Args:
        link: the file, below one of the roots.
        folders: the folders of all roots; a link inside one may lead into another.
        limits: limits of size and time.
        known: the version that the caller has; the bytes are read only if the file is another one.

    Returns:
        The bytes with the file's size and time as its version. A missing file is GONE, unless its whole root is
        missing, as a disk that is not mounted: that is retried, as is whatever cannot be read now.
    """
    try:
        with _opened(link.place, folders) as file:
            return _read(file, link, limits, known)
    except BlockedAddressError:
        return Fetched(status=Status.BLOCKED_ADDRESS)
    except OSError as error:
        status = _STATUS_OF_ERRNO.get(error.errno or 0, Status.CONNECT_ERROR)
        if status is Status.GONE and not Path(link.root.place).is_dir():
            status = Status.CONNECT_ERROR
        return Fetched(status=status, attempts=1)


@contextmanager
def _opened(place: str, folders: Sequence[str]) -> Iterator[int]:
    """Opens a file below the folders; raises BlockedAddressError for one that is elsewhere."""
    real = os.path.realpath(place)
    for folder in folders:
        top = os.path.realpath(folder)
        if real.startswith(f"{top.rstrip('/')}/"):
            break
    else:
        raise BlockedAddressError(f"{place!r} leads out of the image roots")
    *parents, name = real[len(top.rstrip("/")) + 1 :].split("/")
    file = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        for part, more in [*((parent, os.O_DIRECTORY) for parent in parents), (name, os.O_NONBLOCK | os.O_NOCTTY)]:
            inner = os.open(part, flags | more, dir_fd=file)
            os.close(file)
            file = inner
        yield file
    finally:
        os.close(file)


def _read(file: int, link: FileLink, limits: ReadLimits, known: Validators) -> Fetched:
    before = os.fstat(file)
    version = _version(before)
    num_bytes = before.st_size if link.length is None else link.length
    if not stat.S_ISREG(before.st_mode):
        status = Status.NOT_AN_IMAGE
    elif known.etag == version.etag:
        return Fetched(status=Status.OK, validators=known, attempts=1)
    elif num_bytes > limits.max_bytes:
        status = Status.TOO_LARGE
    else:
        data = _bytes(file, link.offset or 0, num_bytes, limits.deadline_s)
        if data is None:
            status = Status.TIMEOUT
        elif _version(os.fstat(file)) != version:
            status = Status.CONNECT_ERROR  # it is being written
        elif len(data) < num_bytes:
            status = Status.CORRUPT  # a range beyond the end
        else:
            return Fetched(status=Status.OK, data=data, validators=version, attempts=1)
    return Fetched(status=status, attempts=1)


def _bytes(file: int, offset: int, num_bytes: int, deadline_s: float) -> bytes | None:
    """Reads at most this many bytes; None where the time ends before."""
    chunks: list[bytes] = []
    end = offset + num_bytes
    while offset < end:
        if time.monotonic() > deadline_s:
            return None
        chunk = os.pread(file, min(_CHUNK_BYTES, end - offset), offset)
        if not chunk:
            break
        chunks.append(chunk)
        offset += len(chunk)
    return b"".join(chunks)


def _version(stated: os.stat_result) -> Validators:
    return Validators(etag=f"{stated.st_size}-{stated.st_mtime_ns}")
