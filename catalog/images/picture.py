"""Pictures as they are stored, the rules by which strangers' pictures are taken, and the packed form of a verdict."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from catalog.images.statuses import Status

STATUSES = tuple(Status)

_HEAD = struct.Struct("<BiiQ32s")  # place among STATUSES, width, height, dhash, SHA-256; the JPEG follows


@dataclass(frozen=True, kw_only=True)
class PictureRules:
    """What pictures are taken, and how they are stored: JPEG of this `quality`, `short_side_px` at most."""

    max_pixels: int = 50_000_000
    min_side_px: int = 16
    short_side_px: int = 256
    quality: int = 90


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is stored: an upright JPEG, grey or RGB."""

    data: bytes
    width: int
    height: int
    sha256: str  # hex, of `data`
    dhash: int  # 64 bits


def packed(decoded: Picture | Status) -> bytes:
    """What decoding gave, as bytes that pass between processes."""
    if isinstance(decoded, Status):
        return _HEAD.pack(STATUSES.index(decoded), 0, 0, 0, b"")
    head = (STATUSES.index(Status.OK), decoded.width, decoded.height, decoded.dhash, bytes.fromhex(decoded.sha256))
    return _HEAD.pack(*head) + decoded.data


def unpacked(answer: bytes) -> Picture | Status:
    """What was packed; ValueError for bytes that are nothing of the kind."""
    if len(answer) < _HEAD.size or answer[0] >= len(STATUSES):
        raise ValueError(f"no packed picture: {answer[:16]!r}...")
    _, width, height, dhash, sha256 = _HEAD.unpack_from(answer)
    status = STATUSES[answer[0]]
    if status is not Status.OK:
        return status
    return Picture(answer[_HEAD.size :], width, height, sha256.hex(), dhash)
