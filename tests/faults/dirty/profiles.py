"""ICC profiles as cameras, screens and presses have them, small, and images in their colors."""

import io
import struct
from functools import cache

import numpy as np
from PIL import Image, ImageCms

from catalog.images.matrix_profiles import (
    D50,
    P3_PRIMARIES,
    SRGB_CURVE,
    SRGB_PRIMARIES,
    Primaries,
    matrix_profile,
    profile_of,
)

ADOBE_PRIMARIES = Primaries(red=(0.64, 0.33), green=(0.21, 0.71), blue=(0.15, 0.06))
PROPHOTO_PRIMARIES = Primaries(
    red=(0.7347, 0.2653), green=(0.1596, 0.8404), blue=(0.0366, 0.0001), white=(0.3457, 0.3585)
)

P3 = matrix_profile(P3_PRIMARIES, SRGB_CURVE)
ADOBE_RGB = matrix_profile(ADOBE_PRIMARIES, (2.2,))
PROPHOTO = matrix_profile(PROPHOTO_PRIMARIES, (1.8,))
LINEAR = matrix_profile(SRGB_PRIMARIES, (1.0,))
SRGB = matrix_profile(SRGB_PRIMARIES, SRGB_CURVE)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(each * 65_536)) for each in values)


def gray_profile(gamma: float) -> bytes:
    curve = b"para\0\0\0\0" + struct.pack(">HH", 0, 0) + fixed(gamma)
    return profile_of({b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50), b"kTRC": curve}, space=b"GRAY")


@cache
def press_profile() -> bytes:
    """Inks that are darker than those of plain arithmetic: a table of 3 points for each of four inks."""
    steps = np.linspace(0, 1, 3)
    c, m, y, k = np.meshgrid(steps, steps, steps, steps, indexing="ij")
    light = np.stack([(1 - 0.9 * c) * (1 - 0.9 * k), (1 - 0.8 * m) * (1 - 0.9 * k), (1 - 0.85 * y) * (1 - 0.9 * k)], -1)
    image = Image.fromarray((light.reshape(1, -1, 3) * 255).round().astype(np.uint8))
    lab = np.asarray(
        ImageCms.applyTransform(
            image, ImageCms.buildTransform(_opened(SRGB), ImageCms.createProfile("LAB"), "RGB", "LAB")
        )
    )[0]
    signed = lab[:, 1:].astype(np.int8).astype(int) + 128
    table = np.column_stack([lab[:, 0], signed]).astype(np.uint8).tobytes()
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 3, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + ramp * 4 + table + ramp * 3
    return profile_of({b"A2B0": lut + bytes(-len(lut) % 4)}, space=b"CMYK", connection=b"Lab ")


def converted(image: Image.Image, profile: bytes) -> Image.Image:
    """The image in sRGB whose numbers, in the colors of a profile, are these."""
    transform = ImageCms.buildTransform(_opened(profile), _opened(SRGB), image.mode, "RGB")
    return ImageCms.applyTransform(image, transform).convert("RGB")


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))
