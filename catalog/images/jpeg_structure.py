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
    num_scans: int
    num_segments: int
    num_bytes: int | None  # up to the end marker, which included; None without one
    num_whole_bytes: int  # without a segment at the end of the data that is cut off
    has_every_component: bool  # see `_has_every_component`

    @property
    def is_sequential(self) -> bool:
        """True for one frame that is decoded in a single pass, with one scan for each component at most."""
        is_one = len(self.frames) == 1 and self.frames[0] in _SEQUENTIAL
        return is_one and 1 <= self.num_scans <= max(1, self.num_components)

    @property
    def is_progressive(self) -> bool:
        return bool(self.frames) and self.frames[-1] in _PROGRESSIVE


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
    scans: list[_Scan] = []
    num_components = num_segments = position = 0
    end: int | None = None
    num_whole_bytes = len(data)
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
        if marker in _START_OF_FRAME:
            frames.append(marker)
            num_components = data[position + 7] if position + 7 < len(data) else 0
        if position + length > len(data):
            num_whole_bytes = found.start()
            scans += [_Scan(b"", False)] if marker == _START_OF_SCAN else []
            break
        if marker == _START_OF_SCAN:
            scans.append(_Scan.read(data[position + 2 : position + length]))
        position += length
    is_progressive = bool(frames) and frames[-1] in _PROGRESSIVE
    return JpegStructure(
        tuple(frames),
        num_components,
        len(scans),
        num_segments,
        end,
        num_whole_bytes,
        # The last scan of a progressive image that was cut off is not counted, unless another segment follows it.
        _has_every_component(
            scans if end or num_whole_bytes < len(data) or not is_progressive else scans[:-1], num_components
        ),
    )


@dataclass(frozen=True, slots=True)
class _Scan:
    """The components of a scan, and whether it begins them."""

    components: bytes
    is_first: bool

    @classmethod
    def read(cls, header: bytes) -> _Scan:
        num = header[0] if header else 0
        components = header[1 : 1 + 2 * num : 2]
        return cls(
            components, len(header) >= 2 * num + 4 and header[2 * num + 1] == 0 and header[2 * num + 3] >> 4 == 0
        )


def _has_every_component(scans: list[_Scan], num_components: int) -> bool:
    """Whether the first scans of all components are among these: their means of blocks, in a progressive image."""
    begun = {component for scan in scans if scan.is_first for component in scan.components}
    return 0 < num_components <= len(begun)
