"""Images whose numbers are not those of plain sRGB: inks, profiles, PNG's color chunks, 16 bits, floating point."""

import io
import struct

import numpy as np
from PIL import Image, TiffImagePlugin

from catalog.images.matrix_profiles import BT2020_PRIMARIES, P3_PRIMARIES, SRGB_PRIMARIES, Primaries, matrix_profile
from tests.catalog.images.sample_images import encoded
from tests.faults.dirty.drawn_images import (
    COLORS,
    gray_scene,
    inks,
    jpeg,
    png,
    raw_png,
    scene,
    with_transform,
    without_adobe,
    ycck,
)
from tests.faults.dirty.image_case import PATCH, ImageCase
from tests.faults.dirty.profiles import (
    ADOBE_RGB,
    LINEAR,
    P3,
    PROPHOTO,
    SRGB,
    converted,
    gray_profile,
    press_profile,
)

FIRST = COLORS[0][0]
NO_TIFF = "browsers show no TIFF"
ENLARGED = np.asarray(scene()).astype(np.uint16) * 257


def gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(100_000 / value))


def primaries(of: Primaries) -> tuple[bytes, bytes]:
    points = (of.white, of.red, of.green, of.blue)
    return b"cHRM", struct.pack(">8I", *(round(each * 100_000) for point in points for each in point))


def nclx(data: bytes, number: int) -> bytes:
    """An AVIF that names other primaries."""
    place = data.index(b"colrnclx") + 8
    return data[:place] + number.to_bytes(2, "big") + data[place + 2 :]


def in_two_parts(data: bytes, profile: bytes) -> bytes:
    """A JPEG with a profile in two segments, the second first."""
    half = len(profile) // 2
    parts = [b"ICC_PROFILE\0\2\2" + profile[half:], b"ICC_PROFILE\0\1\2" + profile[:half]]
    segments = b"".join(b"\xff\xe2" + (len(part) + 2).to_bytes(2, "big") + part for part in parts)
    return data[:2] + segments + data[2:]


def with_head(profile: bytes, place: int, value: bytes) -> bytes:
    return profile[:place] + value + profile[place + len(value) :]


def float_tiff(scale: float, no_data: float | None = None) -> bytes:
    levels = np.asarray(gray_scene()).astype(np.float32) * scale
    if no_data is not None:
        levels[:PATCH, :PATCH] = no_data
    return encoded(Image.fromarray(levels), "TIFF")


def no_data_scene(level: int) -> Image.Image:
    """The scene with a first square of a level, where a file has no data."""
    image = gray_scene()
    image.paste(level, (0, 0, PATCH, PATCH))
    return image


def white_is_zero() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    buffer = io.BytesIO()
    gray_scene().save(buffer, "TIFF", tiffinfo=tags)  # Pillow inverts what it writes
    return buffer.getvalue()


def big_endian(values: np.ndarray) -> np.ndarray:
    return values.astype(">u2").reshape(len(values), -1).view(np.uint8)


def with_alpha(values: np.ndarray, level: int) -> np.ndarray:
    return np.dstack([values, np.full(values.shape[:2], level, values.dtype)])


GRAY_PROFILE = gray_profile(1.0)
GRAY_16 = np.asarray(gray_scene()).astype(np.uint16) * 257

CASES = (
    ImageCase(name="cmyk-of-adobe", source="a print shop", content=inks, shown=scene),
    ImageCase(name="ycck-of-adobe", source="Photoshop", content=ycck, shown=scene, tolerance=8),
    ImageCase(
        name="cmyk-of-adobe-without-marker", source="a print shop whose server strips metadata",
        content=lambda: without_adobe(inks()), shown=scene,
    ),
    ImageCase(
        name="cmyk-stored-straight-without-marker", source="a converter that follows TIFF",
        content=lambda: without_adobe(inks(stored_inverted=False)), shown=scene,
        differs="a browser shows it all black",
    ),
    ImageCase(
        name="cmyk-with-its-profile", source="a print shop",
        content=lambda: encoded(scene().convert("CMYK"), quality=95, subsampling=0, icc_profile=press_profile()),
        shown=lambda: converted(scene().convert("CMYK"), press_profile()), tolerance=10,
    ),
    ImageCase(
        name="cmyk-with-a-profile-of-rgb", source="a converter that keeps the wrong profile",
        content=lambda: encoded(scene().convert("CMYK"), quality=95, subsampling=0, icc_profile=P3), shown=scene,
    ),
    ImageCase(
        name="cmyk-tiff", source="a print shop", content=lambda: encoded(scene().convert("CMYK"), "TIFF"), shown=scene,
        differs=NO_TIFF,
    ),
    ImageCase(
        name="rgb-stored-as-rgb-in-a-jpeg", source="Photoshop",
        content=lambda: encoded(scene(), quality=95, subsampling=0, keep_rgb=True), shown=scene,
    ),
    ImageCase(
        name="adobe-marker-of-ycc", source="Photoshop",
        content=lambda: with_transform(encoded(scene(), quality=95, subsampling=0, keep_rgb=True), 1),
        at={(8, 8): (52, 255, 0)}, tolerance=90,
    ),
    *(
        ImageCase(
            name=f"{name}-in-a-{file_format.lower()}", source=source,
            content=lambda file_format=file_format, profile=profile, options=options: encoded(
                scene(), file_format, icc_profile=profile, **options
            ),
            shown=lambda profile=profile: converted(scene(), profile),
            differs=NO_TIFF if file_format == "TIFF" else "",
            tolerance=8,
        )
        for name, source, file_format, profile, options in (
            ("display-p3", "a phone", "JPEG", P3, {"quality": 95, "subsampling": 0}),
            ("adobe-rgb", "a photo studio", "JPEG", ADOBE_RGB, {"quality": 95, "subsampling": 0}),
            ("prophoto", "Lightroom", "JPEG", PROPHOTO, {"quality": 95, "subsampling": 0}),
            ("linear", "a renderer", "JPEG", LINEAR, {"quality": 98, "subsampling": 0}),
            ("display-p3", "a Mac's screenshot", "PNG", P3, {}),
            ("display-p3", "an image service", "WEBP", P3, {"lossless": True}),
            ("display-p3", "an image service", "AVIF", P3, {"quality": 95, "subsampling": "4:4:4"}),
            ("adobe-rgb", "a photo studio", "TIFF", ADOBE_RGB, {}),
        )
    ),
    ImageCase(
        name="display-p3-in-a-palette", source="a tool that makes images smaller",
        content=lambda: encoded(scene().quantize(16), "PNG", icc_profile=P3), shown=lambda: converted(scene(), P3),
    ),
    ImageCase(
        name="display-p3-in-two-segments-out-of-order", source="a tool that moves segments",
        content=lambda: in_two_parts(jpeg(), P3), shown=lambda: converted(scene(), P3), tolerance=8,
    ),
    ImageCase(
        name="profile-of-linear-gray", source="a scanner",
        content=lambda: encoded(gray_scene(), icc_profile=GRAY_PROFILE),
        shown=lambda: converted(gray_scene(), GRAY_PROFILE),
    ),
    ImageCase(
        name="profile-of-linear-gray-in-a-png", source="a scanner",
        content=lambda: encoded(gray_scene(), "PNG", icc_profile=GRAY_PROFILE),
        shown=lambda: converted(gray_scene(), GRAY_PROFILE),
    ),
    ImageCase(
        name="profile-of-rgb-in-a-gray-jpeg", source="a camera in black and white",
        content=lambda: encoded(gray_scene(), icc_profile=LINEAR), shown=lambda: converted(gray_scene(), GRAY_PROFILE),
    ),
    ImageCase(
        name="profile-of-gray-in-a-colored-jpeg", source="a converter that keeps the wrong profile",
        content=lambda: jpeg(icc_profile=GRAY_PROFILE), shown=scene,
    ),
    ImageCase(name="profile-of-srgb", source="any camera", content=lambda: jpeg(icc_profile=SRGB), shown=scene),
    ImageCase(
        name="profile-that-is-cut-off", source="a server that limits metadata",
        content=lambda: jpeg(icc_profile=P3[:200]), shown=scene,
    ),
    ImageCase(
        name="profile-of-noise", source="a broken disk",
        content=lambda: jpeg(icc_profile=np.random.default_rng(0).bytes(3_000)), shown=scene,
    ),
    ImageCase(
        name="profile-that-links-devices", source="a print shop",
        content=lambda: jpeg(icc_profile=with_head(P3, 12, b"link")), shown=scene,
        differs="a browser takes it for the profile of a display",
    ),
    ImageCase(
        name="profile-that-claims-gigabytes", source="a fuzzer",
        content=lambda: jpeg(icc_profile=with_head(P3, 0, b"\xff\xff\xff\xff")), shown=scene,
        versions_differ="Chromium 150 converts its colors, Chromium 156 ignores it",
    ),
    ImageCase(
        name="profile-of-megabytes", source="a fuzzer",
        content=lambda: jpeg(icc_profile=P3 + bytes(4_100_000)), shown=scene,
        differs="a browser has another limit, or none",
    ),
    ImageCase(
        name="png-of-gamma-1", source="a renderer", content=lambda: png(gamma(1.0)),
        shown=lambda: converted(scene(), LINEAR),
    ),
    ImageCase(
        name="png-of-gamma-2.2", source="Photoshop's export of old", content=lambda: png(gamma(2.2)), shown=scene
    ),
    ImageCase(
        name="png-of-gamma-1.8-and-primaries", source="a Mac of old",
        content=lambda: png(gamma(1.8), primaries(P3_PRIMARIES)),
        shown=lambda: converted(scene(), matrix_profile(P3_PRIMARIES, (1.8,))),
    ),
    ImageCase(
        name="png-of-srgb-and-gamma-1", source="a converter", content=lambda: png((b"sRGB", b"\0"), gamma(1.0)),
        shown=scene,
    ),
    ImageCase(name="png-of-gamma-0", source="a fuzzer", content=lambda: png((b"gAMA", bytes(4))), shown=scene),
    ImageCase(
        name="png-of-primaries-without-gamma", source="ImageMagick", content=lambda: png(primaries(P3_PRIMARIES)),
        shown=scene,
    ),
    ImageCase(
        name="png-of-primaries-on-one-line", source="a fuzzer",
        content=lambda: png(gamma(1.8), (b"cHRM", struct.pack(">8I", *[30_000] * 8))), shown=scene,
    ),
    ImageCase(
        name="gray-png-of-gamma-1", source="a renderer",
        content=lambda: png(gamma(1.0), primaries(SRGB_PRIMARIES), image=gray_scene()),
        shown=lambda: converted(gray_scene(), GRAY_PROFILE),
    ),
    ImageCase(
        name="png-of-cicp-p3", source="a video tool", content=lambda: png((b"cICP", b"\x0c\x0d\0\1")),
        shown=lambda: converted(scene(), P3),
    ),
    ImageCase(
        name="png-of-cicp-bt2020", source="a video tool", content=lambda: png((b"cICP", b"\x09\x01\0\1")),
        shown=lambda: converted(scene(), matrix_profile(BT2020_PRIMARIES, (2.4,))),
    ),
    ImageCase(
        name="avif-of-nclx-p3", source="a phone",
        content=lambda: nclx(encoded(scene(), "AVIF", quality=95, subsampling="4:4:4"), 12),
        shown=lambda: converted(scene(), P3), tolerance=8,
    ),
    ImageCase(
        name="png-of-16-bits-gray", source="a scanner", content=lambda: raw_png(big_endian(GRAY_16), depth=16, color=0),
        shown=gray_scene,
    ),
    ImageCase(
        name="png-of-16-bits", source="a renderer", content=lambda: raw_png(big_endian(ENLARGED), depth=16, color=2),
        shown=scene,
    ),
    ImageCase(
        name="png-of-16-bits-with-alpha", source="a renderer",
        content=lambda: raw_png(big_endian(with_alpha(ENLARGED, 0x8080)), depth=16, color=6),
        shown=lambda: Image.blend(Image.new("RGB", scene().size, "white"), scene(), 128 / 255),
    ),
    ImageCase(
        name="png-of-16-bits-gray-with-alpha", source="a renderer",
        content=lambda: raw_png(big_endian(with_alpha(GRAY_16, 0x8080)), depth=16, color=4),
        shown=lambda: Image.blend(Image.new("L", scene().size, "white"), gray_scene(), 128 / 255),
    ),
    ImageCase(
        name="png-of-16-bits-with-a-profile", source="a photo studio",
        content=lambda: raw_png(big_endian(ENLARGED), depth=16, color=2, chunks=(icc_chunk(P3),)),
        shown=lambda: converted(scene(), P3),
    ),
    ImageCase(
        name="tiff-of-16-bits-gray", source="a scanner", content=lambda: encoded(Image.fromarray(GRAY_16), "TIFF"),
        shown=gray_scene, differs=NO_TIFF,
    ),
    ImageCase(
        name="tiff-of-floating-point-up-to-1", source="a renderer", content=lambda: float_tiff(1 / 255),
        shown=gray_scene, differs=NO_TIFF,
    ),
    ImageCase(
        name="tiff-of-floating-point-up-to-255", source="a microscope", content=lambda: float_tiff(1.0),
        shown=gray_scene, differs=NO_TIFF,
    ),
    ImageCase(
        name="tiff-of-floating-point-up-to-65535", source="a microscope", content=lambda: float_tiff(257.0),
        shown=gray_scene, differs=NO_TIFF,
    ),
    ImageCase(
        name="tiff-of-floating-point-with-no-data-far-below-0", source="a satellite",
        content=lambda: float_tiff(1 / 255, no_data=-3e38), shown=lambda: no_data_scene(0), differs=NO_TIFF,
    ),
    ImageCase(
        name="tiff-of-floating-point-with-no-data-far-above", source="a satellite",
        content=lambda: float_tiff(257.0, no_data=3e38), shown=lambda: no_data_scene(255), differs=NO_TIFF,
    ),
    ImageCase(
        name="tiff-whose-zero-is-white", source="a fax machine", content=white_is_zero, shown=gray_scene,
        differs=NO_TIFF,
    ),
    ImageCase(
        name="tiff-of-ycbcr-in-jpeg", source="a scanner",
        content=lambda: encoded(scene(), "TIFF", compression="jpeg", quality=95), shown=scene, differs=NO_TIFF,
        tolerance=9,
    ),
    ImageCase(
        name="tiff-of-lab", source="a print shop", content=lambda: encoded(lab_scene(), "TIFF"), shown=scene,
        differs=NO_TIFF, tolerance=12,
    ),
)  # fmt: skip


def icc_chunk(profile: bytes) -> tuple[bytes, bytes]:
    import zlib

    return b"iCCP", b"p\0\0" + zlib.compress(profile)


def lab_scene() -> Image.Image:
    from PIL import ImageCms

    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    return ImageCms.applyTransform(scene(), transform)
