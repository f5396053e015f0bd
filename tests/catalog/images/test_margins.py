"""White frames around photographs are cropped, and nothing of the photographs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from catalog.dataset.thumbnails import thumbnail
from catalog.images.decoding import dhash
from catalog.images.margins import without_frame


def photograph(height: int = 90, width: int = 70, seed: int = 0) -> Image.Image:
    """A photograph that is darker everywhere than a white frame."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 180, (9, 7), dtype=np.uint8))
    return rough.resize((width, height), Image.Resampling.BILINEAR)


@given(frame=st.tuples(*[st.integers(1, 40)] * 4), white=st.integers(240, 255))
def test_frame_is_cropped_exactly(frame: tuple[int, int, int, int], white: int) -> None:
    framed = ImageOps.expand(photograph(), frame, white)
    assert np.array_equal(np.asarray(without_frame(framed)), np.asarray(photograph()))


@pytest.mark.parametrize("frame", [3, 10, 30])
def test_frames_change_neither_hash_nor_thumbnail(frame: int) -> None:
    framed = ImageOps.expand(photograph(), frame, "white")
    assert dhash(framed) == dhash(photograph())
    assert np.array_equal(thumbnail(framed), thumbnail(photograph()))


def test_photograph_without_a_frame_stays_whole() -> None:
    assert without_frame(photograph()).size == photograph().size
    gray_wall = ImageOps.expand(photograph(), 20, 180)
    assert without_frame(gray_wall).size == gray_wall.size


def test_product_on_white_has_no_frame() -> None:
    product = Image.new("L", (90, 90), "white")
    for step in range(20):  # a triangle, which leaves white at the corners of its bounding box
        product.paste(40, (45 - step, 20 + 2 * step, 45 + step, 22 + 2 * step))
    assert without_frame(product).size == product.size


@pytest.mark.parametrize("color", ["white", "black"])
@pytest.mark.parametrize("size", [(40, 30), (1, 1), (2, 50)])
def test_blank_image_stays_whole(color: str, size: tuple[int, int]) -> None:
    assert without_frame(Image.new("RGB", size, color)).size == size


def test_speck_on_white_is_not_cropped() -> None:
    speck = Image.new("L", (60, 60), "white")
    speck.paste(0, (10, 10, 14, 14))
    assert without_frame(speck).size == speck.size
