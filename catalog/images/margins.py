"""Margins: crops white frames that shops add around a photograph.

Frames are cropped before images are compared, so that a photograph with and without a frame counts as one image. A
product on a white background has no frame: a crop at its outline would differ with every compression.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MIN_WHITE = 235  # gray level of a frame
MAX_UNEVEN = 20  # gray levels by which it may be darker: JPEG's ringing beside an edge stays below that
MIN_LEFT = 1 / 3  # of each side: a frame that would leave less is none
MIN_FULL = 0.9  # the share of non-white pixels beside a frame: products rarely are full rectangles


def without_frame(image: Image.Image) -> Image.Image:
    """Returns the image in gray, cropped to the content of its white frame if it has one."""
    gray = image.convert("L")
    pixels = np.asarray(gray)
    white = np.median(_rim(pixels))
    if white < MIN_WHITE:
        return gray
    is_shown: NDArray[np.bool_] = pixels < white - MAX_UNEVEN
    top, bottom = _extent(np.any(is_shown, axis=1))
    left, right = _extent(np.any(is_shown, axis=0))
    is_small = bottom - top < MIN_LEFT * gray.height or right - left < MIN_LEFT * gray.width
    # The outermost line of the content may be half frame.
    if is_small or np.mean(_rim(is_shown[top + 1 : bottom - 1, left + 1 : right - 1])) < MIN_FULL:
        return gray
    return gray.crop((left, top, right, bottom))


def _rim(pixels: NDArray[Any]) -> NDArray[Any]:
    """The values at the edges of (height, width) pixels."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _extent(is_shown: NDArray[np.bool_]) -> tuple[int, int]:
    """The index of the first true value, and the one behind the last."""
    if not is_shown.any():
        return 0, 0
    return int(is_shown.argmax()), len(is_shown) - int(is_shown[::-1].argmax())
