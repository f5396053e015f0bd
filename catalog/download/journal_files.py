"""Journal files: their records, one behind the other, each with a checksum, and the quarantine of those that are bad.

A record is a head (CRC-32 of the rest, bytes of the description, bytes of the image), a description and an image. The
file ends where a kill or a power cut has left no whole record: its end may be cut off or full of zeros.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zlib import crc32

from catalog.download.downloader import DownloadResult
from catalog.download.records import result_of

QUARANTINE_SUFFIX = ".quarantine"

_HEAD = struct.Struct("<III")


class RawRecord(NamedTuple):
    """A record as it lies in the file, from `start` to `end`; one that is not sound differs from its checksum."""

    start: int
    end: int
    description: bytes
    data: bytes
    is_sound: bool

    def replayed(self) -> tuple[str | None, DownloadResult] | None:
        """Returns the link and its result; None where the record is not sound, or not one of this version."""
        if not self.is_sound:
            return None
        try:
            return result_of(self.description, self.data)
        except Exception:  # whatever it is that another version wrote, it concerns this link only
            return None


def packed(description: bytes, data: bytes) -> bytes:
    """Returns the bytes of a record."""
    body = description + data
    return _HEAD.pack(crc32(body), len(description), len(data)) + body


def raw_records(file: BinaryIO) -> Iterator[RawRecord]:
    """Yields the records up to the end, or up to where they break off; each is read as it is needed.

    A record that is not sound is yielded if another follows it, so that one damaged record costs no other. The last
    one was being written at the time of a kill; the file ends before it.
    """
    size, start = os.fstat(file.fileno()).st_size, 0
    record = _read(file, start, size)
    while record is not None:
        following = _read(file, record.end, size)
        if not record.is_sound and (following is None or not following.is_sound):
            return
        yield record
        record = following


def _read(file: BinaryIO, start: int, size: int) -> RawRecord | None:
    """Reads the record at this place; None where there is no whole one."""
    file.seek(start)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    checksum, num_described, num_data = _HEAD.unpack(head)
    end = start + _HEAD.size + num_described + num_data
    # Checked before reading: damaged lengths would take gigabytes of memory. Zeros have a correct checksum.
    if not num_described or end > size:
        return None
    body = file.read(num_described + num_data)
    return RawRecord(start, end, body[:num_described], body[num_described:], crc32(body) == checksum)


def quarantine(path: Path, records: Sequence[tuple[int, int]]) -> Path:
    """Moves records (their start and end) out of a journal into a file beside it, and returns that file's path."""
    beside = path.with_suffix(QUARANTINE_SUFFIX)
    rewritten = path.with_name(f"{path.stem}.rewritten{path.suffix}")
    with path.open("rb") as old, beside.open("ab") as bad, rewritten.open("wb") as new:
        place = 0
        for start, end in [*records, (path.stat().st_size,) * 2]:
            _copy(old, new, place, start)
            _copy(old, bad, start, end)
            place = end
    rewritten.replace(path)
    return beside


def _copy(source: BinaryIO, target: BinaryIO, start: int, end: int) -> None:
    source.seek(start)
    target.write(source.read(end - start))
