"""Stored images, the rules by which images are accepted, and the packed form of a decoding result."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from catalog.images.statuses import Status

STATUSES = tuple(Status)

_HEAD = struct.Struct("<BiiQ32si")  # index in STATUSES, width, height, dhash, SHA-256, limit; the JPEG follows
FORMER_SHORT_SIDE_PX = 256  # the limit of images whose limit was not recorded, before it became a setting


@dataclass(frozen=True, kw_only=True)
class ImageRules:
    """The limits of accepted images, and the form of stored ones: JPEG of this `quality`, `short_side_px` at most.

    Of an image that was cut off, the file must have `min_decoded_share` of the rows, to which it is cropped.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    min_side_px: int = 16
    short_side_px: int = FORMER_SHORT_SIDE_PX
    quality: int = 90
    min_decoded_share: float = 0.9


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as it is stored: an upright JPEG, gray or RGB, whose short side is `short_side_limit_px` at most."""

    data: bytes
    width: int
    height: int
    sha256: str  # hex, of `data`
    dhash: int  # 64 bits
    short_side_limit_px: int = FORMER_SHORT_SIDE_PX


def packed(decoded: StoredImage | Status) -> bytes:
    """Packs a decoding result into bytes that pass between processes."""
    if isinstance(decoded, Status):
        return _HEAD.pack(STATUSES.index(decoded), 0, 0, 0, b"", 0)
    size, sha256 = (decoded.width, decoded.height), bytes.fromhex(decoded.sha256)
    head = _HEAD.pack(STATUSES.index(Status.OK), *size, decoded.dhash, sha256, decoded.short_side_limit_px)
    return head + decoded.data


def unpacked(data: bytes) -> StoredImage | Status:
    """Unpacks a decoding result; raises ValueError for other bytes."""
    if len(data) < _HEAD.size or data[0] >= len(STATUSES):
        raise ValueError(f"no packed image: {data[:16]!r}...")
    _, width, height, dhash, sha256, limit_px = _HEAD.unpack_from(data)
    status = STATUSES[data[0]]
    if status is not Status.OK:
        return status
    return StoredImage(data[_HEAD.size :], width, height, sha256.hex(), dhash, limit_px)
