"""Pixels: decoding of images, and refused input."""

import io
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.pixels import decode_pixels, fingerprint_arrays
from ml.recipe_types import Fit


def encoded(array: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_square_image_of_the_right_size_comes_through_untouched() -> None:
    image = noise(32, 32)
    assert np.array_equal(decode_pixels([encoded(image)], 32)[0], image.transpose(2, 0, 1))


def test_a_long_image_keeps_its_proportions_and_loses_its_ends() -> None:
    image = np.zeros((20, 60, 3), dtype=np.uint8)
    image[:, 20:40] = 200  # the middle third is the square that stays
    assert (decode_pixels([encoded(image)], 20)[0] == 200).all()


def test_padding_keeps_the_whole_image_in_its_proportions_between_white() -> None:
    image = np.full((20, 60, 3), 40, dtype=np.uint8)
    pixels = decode_pixels([encoded(image)], 30, fit="pad")[0]
    assert (pixels[:, 10:20] == 40).all()
    assert (pixels[:, :10] == 255).all()
    assert (pixels[:, 20:] == 255).all()


def test_squashing_keeps_the_whole_image_and_not_its_proportions() -> None:
    image = np.repeat(np.array([0, 100, 200], dtype=np.uint8), 20)[None, :, None].repeat(20, axis=0).repeat(3, axis=2)
    pixels = decode_pixels([encoded(image)], 30, fit="squash")[0]
    assert (pixels[:, :, [5, 15, 25]] == np.array([0, 100, 200], dtype=np.uint8)).all()


@given(side=st.integers(1, 90), resolution=st.sampled_from([1, 8, 33]), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_square_images_have_the_same_pixels_in_every_fit(side: int, resolution: int, seed: int) -> None:
    image = encoded(noise(side, side, seed))
    crop, pad, squash = (decode_pixels([image], resolution, fit=fit) for fit in get_args(Fit))
    assert np.array_equal(crop, pad)
    assert np.array_equal(crop, squash)


@pytest.mark.parametrize("size", [(1, 500), (500, 1)])
def test_the_narrowest_image_has_pixels_in_every_fit(size: tuple[int, int]) -> None:
    for fit in get_args(Fit):
        assert decode_pixels([encoded(noise(*size))], 16, fit=fit).shape == (1, 3, 16, 16)


@given(height=st.integers(1, 90), width=st.integers(1, 90), resolution=st.sampled_from([1, 8, 33]))
@settings(max_examples=25, deadline=None)
def test_a_plain_image_of_any_size_gives_plain_pixels(height: int, width: int, resolution: int) -> None:
    image = np.full((height, width, 3), (10, 120, 250), dtype=np.uint8)
    pixels = decode_pixels([encoded(image)], resolution)
    assert pixels.shape == (1, 3, resolution, resolution)
    assert (pixels[0] == np.array([10, 120, 250], dtype=np.uint8)[:, None, None]).all()


def test_the_shortcut_for_large_jpegs_changes_no_pixel_noticeably() -> None:
    smooth = np.asarray(Image.fromarray(noise(6, 6)).resize((800, 800), Image.Resampling.BICUBIC))
    jpeg = encoded(smooth, "JPEG")
    plain = Image.open(io.BytesIO(jpeg)).resize((64, 64), Image.Resampling.BICUBIC)
    difference = decode_pixels([jpeg], 64)[0].transpose(1, 2, 0).astype(int) - np.asarray(plain)
    assert np.abs(difference).max() <= 4


def test_gray_and_palette_and_transparent_images_become_color() -> None:
    gray = encoded(np.full((9, 9), 77, dtype=np.uint8))
    palette = io.BytesIO()
    Image.new("P", (9, 9), 3).save(palette, "GIF")
    transparent = encoded(np.full((9, 9, 4), 255, dtype=np.uint8))
    pixels = decode_pixels([gray, palette.getvalue(), transparent], 4)
    assert (pixels[0] == 77).all()
    assert (pixels[2] == 255).all()


def test_the_number_of_threads_changes_nothing() -> None:
    images = [encoded(noise(40, 30, seed)) for seed in range(20)]
    assert np.array_equal(decode_pixels(images, 16, num_threads=1), decode_pixels(images, 16, num_threads=4))


@pytest.mark.parametrize("broken", [b"", b"<html>not here</html>", encoded(noise(64, 64), "JPEG")[:300]])
def test_a_broken_image_is_refused_by_its_position(broken: bytes) -> None:
    with pytest.raises(ValueError, match="image 1 of 2 cannot be decoded"):
        decode_pixels([encoded(noise(8, 8)), broken], 8)


def test_no_images_give_no_pixels() -> None:
    assert decode_pixels([], 8).shape == (0, 3, 8, 8)


def test_the_fingerprint_of_arrays_depends_on_values_shapes_and_types() -> None:
    zeros = np.zeros((4, 2), dtype=np.int32)
    others = [
        np.ones((4, 2), dtype=np.int32),
        zeros.reshape(2, 4),
        zeros.astype(np.int64),
        zeros.view(np.float32),
    ]
    assert fingerprint_arrays(zeros) == fingerprint_arrays(np.asfortranarray(zeros))
    assert fingerprint_arrays(zeros) not in {fingerprint_arrays(other) for other in others}
