"""Color meaning: reads from a file's metadata what the numbers of its pixels mean."""

from __future__ import annotations

import numpy as np
from PIL import Image

from catalog.images.color_profiles import conversion_of
from catalog.images.colors import PLAIN, ColorMeaning
from catalog.images.opening import JPEG_FORMATS

_DEPTH_AT = 24  # of a PNG, its bits in a channel


def color_meaning(image: Image.Image, data: bytes) -> ColorMeaning:
    """Returns the meaning of an image's colors, which are decoded.

    Args:
        image: The image, decoded.
        data: The file, from the image's first byte.
    """
    conversion = conversion_of(image, data)
    transparent = _transparent(image, data)
    is_inverted = image.mode == "CMYK" and image.format in JPEG_FORMATS and not _has_inverted_inks(image)
    if conversion is None and transparent is None and not is_inverted:
        return PLAIN
    return ColorMeaning(conversion=conversion, transparent=transparent, is_inverted=is_inverted)


def _transparent(image: Image.Image, data: bytes) -> int | tuple[int, ...] | None:
    """The transparent color of an image without alpha, in the levels of its decoded pixels."""
    key = image.info.get("transparency")
    if image.mode == "1" and isinstance(key, int):
        return 255 * min(1, key)
    is_color = image.mode == "RGB" and isinstance(key, tuple)
    if not is_color and not (isinstance(key, int) and (image.mode == "L" or image.mode.startswith("I"))):
        return None
    if image.format != "PNG" or image.mode.startswith("I"):
        return key
    bits = data[_DEPTH_AT]
    if isinstance(key, tuple):
        return tuple(each >> max(0, bits - 8) for each in key)
    return int(key or 0) * 255 // ((1 << min(8, bits)) - 1)


def _has_inverted_inks(image: Image.Image) -> bool:
    """Returns whether the inks of a JPEG are stored as Adobe does, 255 for none.

    All browsers assume it, and so does Pillow. Programs that write no Adobe marker often store them as TIFF does, 0 for
    none, and a page would show such a photograph all black. Black ink is the least used of the four, so where there is
    no marker, the inks are those of the two readings with less black.
    """
    if "adobe" in image.info:
        return True
    return float(np.asarray(image.getchannel("K")).mean()) <= 127.5
