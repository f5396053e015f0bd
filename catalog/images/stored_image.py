"""Stored images, the rules by which images are accepted, and the packed form of a decoding result."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from catalog.images.statuses import Status

STATUSES = tuple(Status)

_HEAD = struct.Struct("<BiiQ32s")  # index in STATUSES, width, height, dhash, SHA-256; the JPEG follows


@dataclass(frozen=True, kw_only=True)
class ImageRules:
    """The limits of accepted images, and the form of stored ones: JPEG of this `quality`, `short_side_px` at most."""

    max_pixels: int = 50_000_000
    min_side_px: int = 16
    short_side_px: int = 256
    quality: int = 90


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as it is stored: an upright JPEG, gray or RGB."""

    data: bytes
    width: int
    height: int
    sha256: str  # hex, of `data`
    dhash: int  # 64 bits


def packed(decoded: StoredImage | Status) -> bytes:
    """Packs a decoding result into bytes that pass between processes."""
    if isinstance(decoded, Status):
        return _HEAD.pack(STATUSES.index(decoded), 0, 0, 0, b"")
    head = (STATUSES.index(Status.OK), decoded.width, decoded.height, decoded.dhash, bytes.fromhex(decoded.sha256))
    return _HEAD.pack(*head) + decoded.data


def unpacked(data: bytes) -> StoredImage | Status:
    """Unpacks a decoding result; raises ValueError for other bytes."""
    if len(data) < _HEAD.size or data[0] >= len(STATUSES):
        raise ValueError(f"no packed image: {data[:16]!r}...")
    _, width, height, dhash, sha256 = _HEAD.unpack_from(data)
    status = STATUSES[data[0]]
    if status is not Status.OK:
        return status
    return StoredImage(data[_HEAD.size :], width, height, sha256.hex(), dhash)
