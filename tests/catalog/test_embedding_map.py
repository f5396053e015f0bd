"""The map's picture, and the level that colours it."""

import io

import numpy as np
import pytest
from PIL import Image

from catalog.embedding_map import draw_map, shown_level


def test_the_first_level_that_tells_products_apart_colours_them() -> None:
    kind = np.arange(10)
    levels = np.stack([np.full(10, 1), 10 + kind // 5, 100 + kind // 2, 1000 + kind], axis=1)
    assert shown_level(levels) == 2
    assert shown_level(levels[:6]) == 3


def test_a_map_is_a_picture_with_its_colours() -> None:
    rng = np.random.default_rng(0)
    png = draw_map(rng.normal(size=(60, 2)), [f"Kind {number % 12}" for number in range(60)], "A map")
    with Image.open(io.BytesIO(png)) as picture:
        colours = picture.convert("RGB").getcolors(1 << 20)
        assert picture.width > 600
    assert colours is not None
    assert len(colours) > 10


def test_points_without_categories_are_refused() -> None:
    with pytest.raises(ValueError, match=r"points are \(3, 2\) and there are 2 categories; give one to each"):
        draw_map(np.zeros((3, 2)), ["a", "b"], "x")
