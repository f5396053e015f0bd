"""Placeholders as shops serve them, through the decoder: every kind is found where unrelated products show it."""

from io import BytesIO
from random import Random

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw

from benchmarks.placeholder_kinds import TEST_KINDS, VALIDATION_KINDS, encoded
from catalog.dataset.placeholder_list import PlaceholderList
from catalog.dataset.placeholders import find_placeholders
from catalog.images.decoding import decode
from catalog.images.graphics import drawn_probability, graphic_features
from catalog.images.stored_image import ImageRules, StoredImage

KINDS = VALIDATION_KINDS | TEST_KINDS
TITLES = ("Lamp", "Shirt", "Cable", "Teapot", "Novel", "Drill", "Sofa", "Perfume", "Leash", "Racket", "Puzzle", "Ink")
PHOTOGRAPHS = ("on white", "packaging with text", "dark", "low contrast", "tiny")


def stored(data: bytes) -> StoredImage:
    image = decode(data, ImageRules())
    assert isinstance(image, StoredImage)
    return image


def content(image: StoredImage) -> float:
    with Image.open(BytesIO(image.data)) as opened:
        return float(drawn_probability(graphic_features(opened)[None])[0])


def verdict(image: StoredImage, titles: tuple[str, ...], *, leaves: int = 12) -> str | None:
    """The verdict on an image that products of these titles show."""
    num = len(titles)
    products = pl.DataFrame(
        {
            "product_id": [f"acme:{number}" for number in range(num)],
            "partner_id": ["acme"] * num,
            "item_group_id": [None] * num,
            "title": titles,
            "category_id": [number % leaves for number in range(num)],
            "delivery": ["1"] * num,
            "shard": ["s"] * num,
            "sha256": [image.sha256] * num,
            "dhash": [image.dhash] * num,
        },
        schema_overrides={"item_group_id": pl.String, "dhash": pl.UInt64, "category_id": pl.Int64},
    )
    scores = pl.DataFrame({"sha256": [image.sha256], "content": [content(image)]})
    found = find_placeholders(
        products,
        scores,
        PlaceholderList({}, {}),
        branches={leaf: leaf for leaf in range(12)},
        thumbnails=lambda rows: np.zeros((len(rows), 32, 32), dtype=np.uint8),
    )
    return None if found.is_empty() else str(found["verdict"][0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawn_placeholder_of_unrelated_products_is_found(kind: str) -> None:
    random = Random(11)
    image = stored(encoded(KINDS[kind](random, (240, 300)), random))
    assert verdict(image, TITLES) == "placeholder"


def photograph(kind: str) -> bytes:
    """A stand-in for a photograph: a textured shape on a ground, as cameras and shops leave it."""
    random = np.random.default_rng(0)
    ground = {"dark": 18, "low contrast": 150}.get(kind, 250)
    pixels = np.full((320, 320, 3), ground, dtype=np.float64)
    waves = np.sin(np.arange(220)[:, None] / 3) * 25 + np.cos(np.arange(220)[None] / 5) * 30
    tone = 140 if kind == "low contrast" else 110
    pixels[50:270, 50:270] = tone + waves[..., None] + random.normal(0, 9, (220, 220, 3))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if kind == "packaging with text":
        ImageDraw.Draw(image).text((90, 120), "MUESLI 500 g", fill=(240, 240, 230), font_size=20)
    if kind == "tiny":
        image = image.resize((48, 48))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", PHOTOGRAPHS)
def test_a_photograph_of_one_product_or_of_its_variants_is_none(kind: str) -> None:
    image = stored(photograph(kind))
    assert verdict(image, ("Muesli",)) != "placeholder"
    assert verdict(image, tuple(f"Muesli {number} g" for number in range(12))) != "placeholder"
    assert verdict(image, TITLES, leaves=1) != "placeholder"
