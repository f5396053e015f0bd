"""A contact sheet shows every image whole, in its row."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalog.images.contact_sheet import GAP_PX, contact_sheet
from tests.catalog.images.sample_images import encoded


def plain(color: str, width: int = 50, height: int = 50) -> bytes:
    return encoded(Image.new("RGB", (width, height), color), "PNG")


def test_each_row_has_its_images_side_by_side() -> None:
    sheet = Image.open(BytesIO(contact_sheet([[plain("red"), plain("lime")], [plain("blue")]], side_px=20)))
    assert sheet.size == (2 * (20 + GAP_PX) + GAP_PX, 2 * (20 + GAP_PX) + GAP_PX)
    positions = {"red": (14, 14), "lime": (38, 14), "blue": (14, 38), "white": (38, 38)}
    for color, position in positions.items():
        assert sheet.getpixel(position) == Image.new("RGB", (1, 1), color).getpixel((0, 0))


def test_image_of_another_shape_is_shown_whole() -> None:
    sheet = np.asarray(Image.open(BytesIO(contact_sheet([[plain("black", 40, 10)]], side_px=40))))
    assert (sheet.sum(axis=2) == 0).sum() == 40 * 10


def test_no_image_is_an_error() -> None:
    with pytest.raises(ValueError, match="no image to show"):
        contact_sheet([[]])
