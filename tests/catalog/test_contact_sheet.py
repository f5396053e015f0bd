"""A contact sheet shows every picture whole, in its row."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalog.contact_sheet import GAP_PX, contact_sheet
from tests.catalog.images.pictures import encoded


def plain(colour: str, width: int = 50, height: int = 50) -> bytes:
    return encoded(Image.new("RGB", (width, height), colour), "PNG")


def test_each_row_has_its_pictures_side_by_side() -> None:
    sheet = Image.open(BytesIO(contact_sheet([[plain("red"), plain("lime")], [plain("blue")]], side_px=20)))
    assert sheet.size == (2 * (20 + GAP_PX) + GAP_PX, 2 * (20 + GAP_PX) + GAP_PX)
    places = {"red": (14, 14), "lime": (38, 14), "blue": (14, 38), "white": (38, 38)}
    for colour, place in places.items():
        assert sheet.getpixel(place) == Image.new("RGB", (1, 1), colour).getpixel((0, 0))


def test_a_picture_of_another_shape_is_shown_whole() -> None:
    sheet = np.asarray(Image.open(BytesIO(contact_sheet([[plain("black", 40, 10)]], side_px=40))))
    assert (sheet.sum(axis=2) == 0).sum() == 40 * 10


def test_nothing_to_show_is_an_error() -> None:
    with pytest.raises(ValueError, match="no picture to show"):
        contact_sheet([[]])
