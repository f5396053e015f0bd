"""Bitfields: bitmaps of 16 or 32 bits whose colors lie at bits that their header names, at any, as browsers read them.

Pillow reads the few layouts that programs write most often.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

_BITFIELDS = frozenset({3, 6})  # without and with alpha
_TOP_DOWN = 1
_MASKS_AT = 14 + 40  # in every version of the header


def has_bitfields(data: bytes) -> bool:
    """Returns whether a bitmap names the bits of its colors."""
    if len(data) < _MASKS_AT + 16 or int.from_bytes(data[14:18], "little") < 40:
        return False
    bits, compression = struct.unpack_from("<HI", data, 28)
    return bits in {16, 32} and compression in _BITFIELDS


class BitfieldsImageFile(ImageFile.ImageFile):
    """A bitmap with the bits of its colors in its header, in mode RGB or RGBA."""

    format = "BMP"
    format_description = "Windows Bitmap"

    def _open(self) -> None:
        head = self.fp.read(_MASKS_AT + 16)  # type: ignore[union-attr]
        header_size, width, height, _, bits, compression = struct.unpack_from("<IiiHHI", head, 14)
        self._size = width, abs(height)
        masks = struct.unpack_from("<4I", head, _MASKS_AT)
        # The fourth is part of the header from version 3 on, and of what follows it where the compression says so.
        has_alpha = bool(masks[3]) and (header_size >= 56 or compression == 6)
        self._mode = "RGBA" if has_alpha else "RGB"
        self._masks = masks if has_alpha else masks[:3]
        if any(not 0 < mask < 1 << bits for mask in self._masks):
            raise SyntaxError(f"bits of colors that a pixel of {bits} bits does not have: {self._masks}")
        (offset,) = struct.unpack_from("<I", head, 10)
        self._layout = (offset, bits, 1 if height < 0 else -1)
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), offset)]

    def load(self) -> Any:
        """Reads the pixels; raises OSError for a bitmap that ends before its pixels do."""
        if self.tile:
            offset, bits, order = self._layout
            self.tile = []
            width, height = self.size
            words_per_row = (width * bits + 31) // 32 * 32 // bits
            self.fp.seek(offset)  # type: ignore[union-attr]
            content = self.fp.read(words_per_row * bits // 8 * height)  # type: ignore[union-attr]
            if len(content) < words_per_row * bits // 8 * height:
                raise OSError("image file is truncated")
            words = np.frombuffer(content, f"<u{bits // 8}").reshape(height, words_per_row)[::order, :width]
            channels = [Image.fromarray(_channel(words, mask)) for mask in self._masks]
            self.im = Image.merge(self._mode, channels).im
        return super().load()


def _channel(words: NDArray[np.unsignedinteger], mask: int) -> NDArray[np.uint8]:
    """The levels, 0 to 255, that these bits of the words stand for."""
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    levels = np.empty(words.shape, np.uint8)
    for row, word in zip(levels, words, strict=True):  # row by row, so that no copy of the image is as wide as this
        row[:] = (((word & mask) >> shift).astype(np.float64) * (255 / most) + 0.5).astype(np.uint8)
    return levels
