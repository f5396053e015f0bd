"""Color profiles: converts colors to sRGB where an image says that its numbers mean other colors, as browsers do.

An image says so by an ICC profile, a PNG also by its chunks cICP, gAMA and cHRM, and AVIF and HEIF by `nclx`. Most
profiles are sRGB's own: a profile is compared once a process, by the colors that it yields, and then skipped. One that
is damaged, too large, or for another kind of image is ignored.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageCms

from catalog.images.matrix_profiles import (
    BT2020_PRIMARIES,
    P3_PRIMARIES,
    SRGB_CURVE,
    SRGB_PRIMARIES,
    Primaries,
    matrix_profile,
)

MAX_PROFILE_BYTES = 4_000_000  # the largest of printing presses have 2 to 3 million
MAX_SAME = 3  # levels of 255 by which a profile may differ from sRGB and still be skipped
SRGB_GAMMA = 0.45455  # in a chunk gAMA without cHRM it stands for sRGB, in every program that writes it
MAX_CHUNKS = 64  # of a PNG, before its pixels
NCLX_WITHIN_BYTES = 4_096

_ENUMERATED_PRIMARIES = {  # ITU-T H.273, table 2
    1: SRGB_PRIMARIES,
    5: Primaries(red=(0.64, 0.33), green=(0.29, 0.60), blue=(0.15, 0.06)),
    6: Primaries(red=(0.630, 0.340), green=(0.310, 0.595), blue=(0.155, 0.070)),
    7: Primaries(red=(0.630, 0.340), green=(0.310, 0.595), blue=(0.155, 0.070)),
    9: BT2020_PRIMARIES,
    12: P3_PRIMARIES,
}
# Table 3; video's curve is shown as a plain gamma of 2.4, as screens do (ITU-R BT.1886). 16 and 18, HDR, are not read.
_ENUMERATED_CURVES = {
    1: (2.4,),
    4: (2.2,),
    5: (2.8,),
    6: (2.4,),
    8: (1.0,),
    13: SRGB_CURVE,
    14: (2.4,),
    15: (2.4,),
}
_CHANNELS = {"L": 1, "RGB": 3, "CMYK": 4}
_SPACES = {"RGB ": ("RGB", "L"), "GRAY": ("L",), "CMYK": ("CMYK",)}  # of a profile, and the modes that it is applied to


@dataclass(frozen=True)
class Conversion:
    """Converts the colors of images of one mode, L, RGB or CMYK, to sRGB.

    Attributes:
        transform: From RGB or CMYK.
        gray_levels: Instead of it, the gray for each of the 256 levels of an image in mode L.
    """

    transform: ImageCms.ImageCmsTransform | None
    gray_levels: tuple[int, ...] | None = None

    def __call__(self, image: Image.Image) -> Image.Image:
        """Returns the converted image, in mode L for gray and in RGB otherwise."""
        if self.transform is not None:
            return self.transform.apply(image)
        return image.point(self.gray_levels or ())


def conversion_of(image: Image.Image, data: bytes) -> Conversion | None:
    """Returns the conversion of an image's colors to sRGB; None where they are sRGB, or where nothing else is known.

    Args:
        image: With its header read; of its mode, alpha and palettes do not matter.
        data: The file, from its first byte.
    """
    profile = _profile(image, data)
    if profile is None or not int.from_bytes(profile[:4], "big") <= len(profile) <= MAX_PROFILE_BYTES:
        return None
    if image.mode == "CMYK":
        return conversion(profile, "CMYK")
    is_gray = image.mode in {"1", "L", "LA", "La", "F"} or image.mode.startswith("I")
    return conversion(profile, "L" if is_gray else "RGB")


@lru_cache(maxsize=8)
def conversion(profile: bytes, mode: str) -> Conversion | None:
    """Returns the conversion from an ICC profile to sRGB for images of a mode, L, RGB or CMYK.

    None where the profile is sRGB up to `MAX_SAME` levels, is damaged, or is one of another kind of image.
    """
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space
        if mode not in _SPACES.get(space, ()) or opened.profile.device_class in {"link", "abst", "nmcl"}:
            return None
        source = "L" if space == "GRAY" else _SPACES[space][0]
        transform = ImageCms.buildTransform(opened, _srgb(), source, "RGB", ImageCms.Intent.PERCEPTUAL)
        if mode == "L":
            return _of_gray(transform, source)
        return None if _is_srgb(transform, mode) else Conversion(transform)
    except MemoryError:
        raise
    except Exception:  # LittleCMS and Pillow raise nearly anything on a damaged profile
        return None


def _of_gray(transform: ImageCms.ImageCmsTransform, source: str) -> Conversion | None:
    """The conversion of gray images; None where it changes nothing, or where the profile's gray is not neutral."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None]).convert(source)
    converted = np.asarray(transform.apply(ramp)).astype(np.int16)[0]  # (256, 3)
    levels = converted[:, 1]
    is_same = np.abs(levels - np.arange(256)).max() <= MAX_SAME
    if is_same or np.abs(converted - levels[:, None]).max() > MAX_SAME:
        return None
    return Conversion(None, tuple(levels.tolist()))


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    if mode != "RGB":
        return False
    steps = np.linspace(0, 255, 18).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    converted = np.asarray(transform.apply(Image.fromarray(grid)))
    return bool(np.abs(converted.astype(np.int16) - grid).max() <= MAX_SAME)


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(matrix_profile(SRGB_PRIMARIES, SRGB_CURVE)))


def _profile(image: Image.Image, data: bytes) -> bytes | None:
    """The ICC profile of an image, made of what else it says about its colors where it has none."""
    embedded = image.info.get("icc_profile") or None
    file_format = getattr(image, "format", None)
    try:
        if file_format == "PNG":
            return _of_png(data, embedded)
        if embedded is None and file_format in {"AVIF", "HEIF"}:
            return _of_nclx(data)
    except ValueError:  # numbers that no colors have
        return None
    return embedded if isinstance(embedded, bytes) else None


def _of_png(data: bytes, embedded: bytes | None) -> bytes | None:
    """By the first of cICP, iCCP, sRGB, and gAMA with cHRM (PNG, third edition, section 4.3)."""
    chunks = dict(_chunks(data))
    if len(chunks.get(b"cICP", b"")) == 4 and (profile := _enumerated(chunks[b"cICP"][0], chunks[b"cICP"][1])):
        return profile
    if embedded is not None or b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return embedded
    gamma = int.from_bytes(chunks[b"gAMA"], "big") / 100_000
    if not gamma:
        return None
    if len(chunks.get(b"cHRM", b"")) != 32:
        is_srgb = abs(gamma - SRGB_GAMMA) < 0.005
        return None if is_srgb else matrix_profile(SRGB_PRIMARIES, (1 / gamma,))
    x_and_y = [each / 100_000 for each in struct.unpack(">8I", chunks[b"cHRM"])]
    white, red, green, blue = ((x_and_y[place], x_and_y[place + 1]) for place in range(0, 8, 2))
    return matrix_profile(Primaries(red=red, green=green, blue=blue, white=white), (1 / gamma,))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of at most 32 bytes before the pixels of a PNG."""
    place = 8
    for _ in range(MAX_CHUNKS):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if kind in {b"IDAT", b"IEND", b""}:
            return
        if length <= 32:
            yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _of_nclx(data: bytes) -> bytes | None:
    place = data.find(b"colrnclx", 0, NCLX_WITHIN_BYTES)
    if place < 0 or len(data) < place + 12:
        return None
    return _enumerated(*struct.unpack_from(">HH", data, place + 8))


def _enumerated(primaries: int, curve: int) -> bytes | None:
    """The profile of colors named by numbers (ITU-T H.273); None for sRGB, unknown ones and HDR."""
    if (primaries, curve) == (1, 13) or primaries not in _ENUMERATED_PRIMARIES or curve not in _ENUMERATED_CURVES:
        return None
    return matrix_profile(_ENUMERATED_PRIMARIES[primaries], _ENUMERATED_CURVES[curve])
