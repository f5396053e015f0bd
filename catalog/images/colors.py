"""Colors: converts any image that Pillow reads to gray or sRGB, in strips, so that a large one needs little memory.

Transparent images lie on white, as on a page of a shop. Where what is visible of one is itself white, so that nothing
of it would be left on white, it lies on gray (`GROUND_OF_WHITE`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from catalog.images.color_profiles import Conversion

STRIP_PIXELS = 2_000_000  # a whole image, most often
GROUND = 255  # gray level of the ground of transparent images
GROUND_OF_WHITE = 128
MIN_WHITE = 240  # the least level, in each channel, of a pixel that white swallows
MIN_WHITE_SHARE = 0.95  # of what is visible, weighted by alpha: where more is white, the ground is gray

_GRAY_MODES = frozenset({"1", "L", "LA", "La", "F"})
_ALPHA_MODES = {"LA": "L", "La": "L", "PA": "RGB", "RGBA": "RGB", "RGBa": "RGB"}

Values = NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class ColorMeaning:
    """The meaning of an image's numbers, where it is not that of plain sRGB.

    Attributes:
        conversion: To sRGB.
        transparent: The gray level, or the levels of red, green and blue, that are transparent, of an image without
            alpha.
        is_inverted: Whether inks of CMYK are stored the other way round than Pillow assumes.
    """

    conversion: Conversion | None = None
    transparent: int | tuple[int, ...] | None = None
    is_inverted: bool = False


PLAIN = ColorMeaning()


def in_gray_or_rgb(image: Image.Image, meaning: ColorMeaning = PLAIN) -> Image.Image:
    """Returns the image in mode L or RGB, without transparency; the same object where nothing changes."""
    is_gray = image.mode in _GRAY_MODES or image.mode.startswith("I")
    wanted = "L" if is_gray else "RGB"
    is_transparent = image.mode in _ALPHA_MODES or meaning.transparent is not None or _is_palette_transparent(image)
    if image.mode == wanted and not is_transparent and meaning.conversion is None:
        return image
    scale = _float_scale(image) if image.mode == "F" else 1.0
    ground = _ground(image, meaning, scale) if is_transparent else GROUND
    flat = Image.new(wanted, image.size, (ground,) * 3 if wanted == "RGB" else ground)
    for box, strip in _strips(image):
        colors, alpha = _colors_and_alpha(strip, meaning, scale)
        if meaning.conversion is not None:
            colors = meaning.conversion(colors)
        flat.paste(colors.convert(wanted), box, mask=alpha)
    return flat


def _strips(image: Image.Image) -> Iterator[tuple[tuple[int, int, int, int], Image.Image]]:
    num_rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, num_rows):
        box = (0, top, image.width, min(top + num_rows, image.height))
        yield box, image if num_rows >= image.height else image.crop(box)


def _colors_and_alpha(
    image: Image.Image, meaning: ColorMeaning, scale: float
) -> tuple[Image.Image, Image.Image | None]:
    """The colors, in L, RGB or (where a profile converts it) CMYK, and the opacity of a transparent image."""
    if image.mode == "CMYK":
        inks = ImageChops.invert(image) if meaning.is_inverted else image
        return inks if meaning.conversion is not None else inks.convert("RGB"), None
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        alpha = None if meaning.transparent is None else _opacity(values, meaning.transparent)
        return Image.fromarray(_to_bytes(values, scale)), alpha
    if image.mode in _ALPHA_MODES or _is_palette_transparent(image):
        with_alpha = image if image.mode in {"LA", "RGBA"} else image.convert("RGBA")
        colors = with_alpha.convert("L" if with_alpha.mode == "LA" else "RGB")
        return (colors.convert("L") if image.mode == "La" else colors), with_alpha.getchannel("A")
    colors = image.convert("L" if image.mode in _GRAY_MODES else "RGB")
    if meaning.transparent is None:
        return colors, None
    return colors, _opacity(np.asarray(colors), meaning.transparent)


def _to_bytes(values: Values, scale: float) -> NDArray[np.uint8]:
    """Levels of 8 bits; integers are read as 16 bits, which Pillow's own conversion would clip at 255."""
    if values.dtype.kind == "f":
        finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=np.inf, neginf=0.0)
        limited = finite.clip(0, 65_535)  # or the product of a large negative one would overflow
        rounded: NDArray[np.uint8] = np.clip(limited * np.float32(scale) + 0.5, 0, 255).astype(np.uint8)
        return rounded
    levels: NDArray[np.uint8] = (values.clip(0, 65_535) // 257).astype(np.uint8)
    return levels


def _float_scale(image: Image.Image) -> float:
    """The factor to levels of 255 of floating point numbers: they go up to 1, to 255 or to 65,535."""
    largest = 0.0
    for _, strip in _strips(image):
        values = np.asarray(strip)
        largest = max(largest, float(np.max(values, where=np.isfinite(values), initial=0.0)))
    return 255.0 if largest <= 1 else 1.0 if largest <= 255 else 1 / 257


def _opacity(values: Values, transparent: int | tuple[int, ...]) -> Image.Image:
    """Opaque but where the values, (height, width) or (height, width, 3), are the transparent ones."""
    is_key = values == np.asarray(transparent)
    if values.ndim > 2:
        is_key = is_key.all(axis=2)
    return Image.fromarray(np.where(is_key, 0, 255).astype(np.uint8))


def _ground(image: Image.Image, meaning: ColorMeaning, scale: float) -> int:
    """The gray level on which a transparent image lies."""
    if image.mode in {"LA", "RGBA"} and image.getchannel("A").getextrema() == (255, 255):
        return GROUND  # most images with alpha are opaque
    visible = white = 0
    for _, strip in _strips(image):
        colors, alpha = _colors_and_alpha(strip, meaning, scale)
        if alpha is None:
            return GROUND
        opacity = np.asarray(alpha)
        levels = np.asarray(colors if meaning.conversion is None else meaning.conversion(colors))
        darkest = levels if levels.ndim == 2 else levels.min(axis=2)
        visible += int(opacity.sum(dtype=np.int64))
        white += int(opacity.sum(dtype=np.int64, where=darkest >= MIN_WHITE))
    is_hidden = visible > 0 and white >= MIN_WHITE_SHARE * visible
    is_opaque = visible == 255 * image.width * image.height
    return GROUND_OF_WHITE if is_hidden and not is_opaque else GROUND


def _is_palette_transparent(image: Image.Image) -> bool:
    return image.mode == "P" and image.has_transparency_data
