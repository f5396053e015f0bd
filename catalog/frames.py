"""Margins: white frames that shops lay around a photograph.

Left out before pictures are compared, so that a photograph with and without a frame is one picture. A product that
stands before white has no frame: what is cut off where it ends would differ with every compression.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MIN_WHITE = 235  # grey level of a frame
MAX_UNEVEN = 20  # grey levels by which it may be darker: JPEG's ringing beside an edge stays below
MIN_LEFT = 1 / 3  # of each side: what would leave less is no frame
MIN_FULL = 0.9  # the share of what a frame touches that is not white itself: products rarely are full rectangles


def without_frame(picture: Image.Image) -> Image.Image:
    """The picture in grey, cropped to what a white frame encloses, if one does."""
    grey = picture.convert("L")
    pixels = np.asarray(grey)
    white = np.median(_rim(pixels))
    if white < MIN_WHITE:
        return grey
    is_shown: NDArray[np.bool_] = pixels < white - MAX_UNEVEN
    top, bottom = _extent(np.any(is_shown, axis=1))
    left, right = _extent(np.any(is_shown, axis=0))
    is_small = bottom - top < MIN_LEFT * grey.height or right - left < MIN_LEFT * grey.width
    # The outermost line of what is enclosed may be half frame.
    if is_small or np.mean(_rim(is_shown[top + 1 : bottom - 1, left + 1 : right - 1])) < MIN_FULL:
        return grey
    return grey.crop((left, top, right, bottom))


def _rim(pixels: NDArray[Any]) -> NDArray[Any]:
    """The values at the edges of (height, width) pixels."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _extent(is_shown: NDArray[np.bool_]) -> tuple[int, int]:
    """From the first true one to behind the last."""
    if not is_shown.any():
        return 0, 0
    return int(is_shown.argmax()), len(is_shown) - int(is_shown[::-1].argmax())
