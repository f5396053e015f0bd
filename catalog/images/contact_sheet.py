"""Contact sheet: one image with rows of small ones, to look at groups or neighbors."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageOps

SIDE_PX = 96
GAP_PX = 4


def contact_sheet(rows: Sequence[Sequence[bytes]], *, side_px: int = SIDE_PX) -> bytes:
    """Draws rows of stored images, each fitted whole into a square of `side_px`; returns a PNG.

    Raises ValueError where there is no image at all.
    """
    num_columns = max((len(row) for row in rows), default=0)
    if not num_columns:
        raise ValueError("there is no image to show; give at least one")
    pitch = side_px + GAP_PX
    sheet = Image.new("RGB", (num_columns * pitch + GAP_PX, len(rows) * pitch + GAP_PX), "white")
    for top, row in enumerate(rows):
        for left, data in enumerate(row):
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
                fitted = ImageOps.pad(image.convert("RGB"), (side_px, side_px), color="white")
            sheet.paste(fitted, (GAP_PX + left * pitch, GAP_PX + top * pitch))
    encoded = io.BytesIO()
    sheet.save(encoded, "PNG")
    return encoded.getvalue()
