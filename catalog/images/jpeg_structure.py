"""JPEG structure: counts the scans of a JPEG and detects a plain one, by its markers and without decoding it.

A progressive JPEG may have any number of scans, and every reader decodes them all: 300 scans of a few bytes each take
seconds. Ten are what encoders write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

MAX_SCANS = 64
MAX_SEGMENTS = 4_096  # a color profile has 255 at most, EXIF with previews some hundred

END_OF_IMAGE = b"\xff\xd9"

_START, _END, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = frozenset({0xC0, 0xC1})  # with Huffman codes
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ALONE = frozenset({0x01, _START})  # without a length behind them
# Not 0, which is a byte 255 of the coded pixels, nor a restart between them, nor a byte that fills.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")


@dataclass(frozen=True, slots=True)
class JpegStructure:
    """The frames and scans of a JPEG up to its end marker."""

    frames: tuple[int, ...]  # the second byte of each start-of-frame marker
    num_components: int  # of the last frame
    scans: tuple[bytes, ...]  # the header of each, behind its length
    num_segments: int
    num_bytes: int | None  # up to the end marker, which included; None without one
    num_whole_bytes: int | None  # None, or the bytes before a segment that the data ends in

    @property
    def num_scans(self) -> int:
        return len(self.scans)

    @property
    def is_sequential(self) -> bool:
        """True for one frame that is decoded in a single pass, with one scan for each component at most."""
        is_one = len(self.frames) == 1 and self.frames[0] in _SEQUENTIAL
        return is_one and 1 <= self.num_scans <= max(1, self.num_components)

    @property
    def is_progressive(self) -> bool:
        return bool(self.frames) and self.frames[-1] in _PROGRESSIVE

    @property
    def has_every_component(self) -> bool:
        """Returns whether the data has the first scan of each component.

        In a progressive JPEG these are two: of the means of blocks, and of what varies within them. Its last scan
        counts only where the end marker or another segment follows it.
        """
        is_last_open = self.is_progressive and self.num_bytes is None and self.num_whole_bytes is None
        whole = self.scans[:-1] if is_last_open else self.scans
        begun = _begun(whole, is_of_means=True)
        detailed = _begun(whole, is_of_means=False) if self.is_progressive else begun
        return 0 < self.num_components <= min(len(begun), len(detailed))


def _begun(scans: tuple[bytes, ...], *, is_of_means: bool) -> set[int]:
    """The components whose means of blocks, or whose other frequencies, begin in these scans, with their first bits."""
    found: set[int] = set()
    for header in scans:
        spectrum = 1 + 2 * header[0] if header else 0
        if len(header) >= spectrum + 3 and (header[spectrum] == 0) == is_of_means and header[spectrum + 2] >> 4 == 0:
            found |= set(header[1:spectrum:2])
    return found


def has_too_many_scans(data: bytes) -> bool:
    """Returns whether a JPEG has more than `MAX_SCANS` scans, or `MAX_SEGMENTS` segments."""
    if _num_scans_at_most(data) <= MAX_SCANS:
        return False
    structure = jpeg_structure(data)
    return structure.num_scans > MAX_SCANS or structure.num_segments > MAX_SEGMENTS


def _num_scans_at_most(data: bytes) -> int:
    """Returns the number of places that look like the start of a scan, at gigabytes a second."""
    content = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero((content[:-1] == 0xFF) & (content[1:] == _START_OF_SCAN)))


def is_plain(data: bytes) -> bool:
    """Returns whether a JPEG is sequential and nothing follows its end."""
    structure = jpeg_structure(data)
    return structure.is_sequential and structure.num_bytes == len(data)


def jpeg_structure(data: bytes) -> JpegStructure:
    """Reads the markers of a JPEG, as far as they go and up to the limits above, as libjpeg finds them."""
    frames: list[int] = []
    scans: list[bytes] = []
    num_components = num_segments = position = 0
    end = num_whole_bytes = None
    while len(scans) <= MAX_SCANS and num_segments <= MAX_SEGMENTS:
        found = _MARKER.search(data, position)
        if found is None:
            break
        marker, position = found[1][0], found.end()
        if marker == _END:
            end = position
            break
        if marker in _ALONE:
            continue
        num_segments += 1
        length = max(2, int.from_bytes(data[position : position + 2], "big"))
        if marker == _START_OF_SCAN:
            scans.append(data[position + 2 : position + length])
        elif marker in _START_OF_FRAME:
            frames.append(marker)
            num_components = data[position + 7] if position + 7 < len(data) else 0
        position += length
        if position > len(data):
            num_whole_bytes = found.start()
            break
    return JpegStructure(tuple(frames), num_components, tuple(scans), num_segments, end, num_whole_bytes)
