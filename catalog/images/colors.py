"""Colors: converts any image that Pillow reads to gray or RGB, in strips, so that a large one needs little memory."""

from __future__ import annotations

import numpy as np
from PIL import Image

STRIP_PIXELS = 2_000_000  # a whole image, most often

_GRAY_MODES = frozenset({"1", "L"})


def in_gray_or_rgb(image: Image.Image) -> Image.Image:
    """Returns the image in mode L or RGB, on white where it is transparent; the same object where nothing changes."""
    is_16_bit = image.mode.startswith("I")
    wanted = "L" if image.mode in _GRAY_MODES or is_16_bit else "RGB"
    is_transparent = image.has_transparency_data
    if image.mode == wanted and not is_transparent:
        return image
    flat = Image.new("RGB" if is_transparent else wanted, image.size, "white")
    num_rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, num_rows):
        box = (0, top, image.width, min(top + num_rows, image.height))
        strip = image if num_rows >= image.height else image.crop(box)
        if is_transparent:
            with_alpha = strip.convert("RGBA")
            flat.paste(with_alpha, box, mask=with_alpha.getchannel("A"))
        elif is_16_bit:  # Pillow's own conversion would clip them at 255
            values = (np.asarray(strip).clip(0, 65_535) // 257).astype(np.uint8)
            flat.paste(Image.fromarray(values), box)
        else:
            flat.paste(strip.convert(wanted), box)
    return flat
