"""The map's image, and the level that colors it."""

import io

import numpy as np
import pytest
from PIL import Image

from catalog.evaluation.embedding_plot import coloring_level, draw_map


def test_the_first_level_with_enough_categories_colors() -> None:
    kind = np.arange(10)
    levels = np.stack([np.full(10, 1), 10 + kind // 5, 100 + kind // 2, 1000 + kind], axis=1)
    assert coloring_level(levels) == 2
    assert coloring_level(levels[:6]) == 3


def test_a_map_is_an_image_with_its_colors() -> None:
    rng = np.random.default_rng(0)
    png = draw_map(rng.normal(size=(60, 2)), [f"Kind {number % 12}" for number in range(60)], "A map")
    with Image.open(io.BytesIO(png)) as image:
        colors = image.convert("RGB").getcolors(1 << 20)
        assert image.width > 600
    assert colors is not None
    assert len(colors) > 10


def test_points_without_categories_are_refused() -> None:
    with pytest.raises(ValueError, match=r"points are \(3, 2\), categories are 2; pass one category per point"):
        draw_map(np.zeros((3, 2)), ["a", "b"], "x")
