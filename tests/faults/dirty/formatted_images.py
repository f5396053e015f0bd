"""Images by their format: transparency, animations, orientation, bitmaps, JPEG 2000, HEIC, and what is no image."""

import gzip
import struct
from base64 import b64encode

import numpy as np
from PIL import Image

from catalog.images.statuses import Status
from tests.catalog.images.sample_images import encoded
from tests.faults.dirty.damaged_images import exif
from tests.faults.dirty.drawn_images import (
    COLORS,
    bitmap,
    gray_scene,
    icon,
    jpeg,
    os2_bitmap,
    png,
    raw_png,
    scene,
    squares,
)
from tests.faults.dirty.image_case import PATCH, ImageCase
from tests.faults.dirty.profiles import P3, converted

NO_JPEG_2000 = "Chromium shows no JPEG 2000, Safari does"
NO_HEIC = "Chromium shows no HEIC, Safari does"
NO_TIFF = "browsers show no TIFF"
WHITE, GRAY = (255, 255, 255), (128, 128, 128)
SIDE = 4 * PATCH


def cut_out(color: tuple[int, int, int], alpha: int = 255) -> Image.Image:
    """A product of one color on nothing."""
    image = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    image.paste((*color, alpha), (PATCH, PATCH, 3 * PATCH, 3 * PATCH))
    return image


def on(ground: tuple[int, int, int], color: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), ground)
    image.paste(color, (PATCH, PATCH, 3 * PATCH, 3 * PATCH))
    return image


def white_with_print() -> Image.Image:
    image = cut_out((252, 252, 252))
    image.paste((30, 30, 120, 255), (PATCH, PATCH, 2 * PATCH, 2 * PATCH))
    return image


def packed(indices: np.ndarray, bits: int) -> np.ndarray:
    """Numbers of so many bits, (height, width), in bytes, the first at the top."""
    digits = np.unpackbits(indices.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
    return np.packbits(digits.reshape(len(indices), -1), axis=1)


PALETTE = b"".join(bytes([blue, green, red, 0]) for row in COLORS for red, green, blue in row).ljust(64, b"\0")
INDICES = np.arange(12).reshape(3, 4).repeat(PATCH, axis=0).repeat(PATCH, axis=1)
WORDS = np.asarray(scene()).astype(np.uint32)


def words(bits: int, *shifts_and_sizes: tuple[int, int], alpha: int | None = None) -> np.ndarray:
    """Pixels of 16 or 32 bits with red, green and blue of these sizes at these places."""
    levels = [WORDS[..., band] >> (8 - size) for band, (_, size) in enumerate(shifts_and_sizes)]
    packed_words = sum(level << shift for level, (shift, _) in zip(levels, shifts_and_sizes, strict=True))
    values = packed_words if alpha is None else packed_words | (alpha << 24)
    return np.asarray(values).astype(f"<u{bits // 8}").view(np.uint8).reshape(len(WORDS), -1)


def masks(*shifts_and_sizes: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<I", ((1 << size) - 1) << shift) for shift, size in shifts_and_sizes)


def run_lengths(*, of_four_bits: bool) -> bytes:
    rows = []
    for row in INDICES[::-1]:
        runs = row[::PATCH]
        rows.append(b"".join(bytes([PATCH, 17 * index if of_four_bits else index]) for index in runs) + b"\0\0")
    return b"".join(rows) + b"\0\1"


def offset_gif() -> bytes:
    """A GIF whose first frame covers a part of its screen."""
    data = bytearray(encoded(scene().quantize(16), "GIF"))
    data[6:10] = struct.pack("<HH", 2 * SIDE, SIDE)
    place = data.index(b",", 13 + 3 * 16)
    data[place + 1 : place + 5] = struct.pack("<HH", SIDE, 0)
    return bytes(data)


def hidden_first() -> bytes:
    """An animated PNG whose first image is for programs without animations."""
    frames = [Image.new("RGB", scene().size, "red"), scene(), Image.new("RGB", scene().size, "blue")]
    return encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True)


def transparent_key(mode: str) -> Image.Image:
    image = scene()
    image = image.copy() if mode == "RGB" else image.convert(mode)
    image.paste(COLORS[0][0] if mode == "RGB" else 7, (0, 0, PATCH, PATCH))
    return image


def white_corner(image: Image.Image) -> Image.Image:
    shown = image.convert("RGB")
    shown.paste("white", (0, 0, PATCH, PATCH))
    return shown


LEVELS_2 = np.arange(12).reshape(3, 4).repeat(PATCH, axis=0).repeat(PATCH, axis=1) % 4


def heif(image: Image.Image, **options: object) -> bytes:
    import io

    import pillow_heif

    buffer = io.BytesIO()
    file = pillow_heif.from_pillow(image)
    file.save(buffer, quality=95, chroma=444, **options)
    return buffer.getvalue()


TEXTS = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="9" height="9"/></svg>',
    "svg-with-a-byte-order-mark": b'\xef\xbb\xbf<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "html": b"<!doctype html><title>Not found</title><img src=a.gif>GIF89a",
    "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "photoshop": b"8BPS\0\1" + bytes(200),
    "mp4": b"\0\0\0\x18ftypmp42" + bytes(200),
    "jpeg-xl": b"\xff\x0a" + bytes(200),
    "jpeg-xl-in-a-container": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(200),
    "text-that-starts-as-a-bitmap": b"BMW 320d, silver, 120,000 km",
    "pnm": b"P6 64 48 255\n" + bytes(9_216),
}

CASES = (
    ImageCase(
        name="dark-product-on-nothing", source="a cut-out", content=lambda: encoded(cut_out((60, 40, 30)), "PNG"),
        shown=lambda: on(WHITE, (60, 40, 30)),
    ),
    ImageCase(
        name="white-product-on-nothing", source="a cut-out", content=lambda: encoded(cut_out((252, 252, 252)), "PNG"),
        shown=lambda: on(GRAY, (252, 252, 252)), differs="on a white page a browser shows nothing at all",
    ),
    ImageCase(
        name="white-product-with-a-print-on-nothing", source="a cut-out",
        content=lambda: encoded(white_with_print(), "PNG"), at={(8, 8): WHITE, (24, 24): (30, 30, 120)},
    ),
    ImageCase(
        name="half-transparent-product", source="a shadow", content=lambda: encoded(cut_out((0, 0, 0), 128), "PNG"),
        shown=lambda: on(WHITE, (127, 127, 127)),
    ),
    ImageCase(
        name="nothing-at-all", source="a spacer", content=lambda: encoded(Image.new("RGBA", (64, 64)), "PNG"),
        status=Status.SINGLE_COLOR, differs="a browser shows it; nothing is on it",
    ),
    ImageCase(
        name="webp-cut-out", source="an image service",
        content=lambda: encoded(cut_out((60, 40, 30)), "WEBP", lossless=True), shown=lambda: on(WHITE, (60, 40, 30)),
    ),
    ImageCase(
        name="avif-cut-out", source="an image service",
        content=lambda: encoded(cut_out((60, 40, 30)), "AVIF", quality=95), shown=lambda: on(WHITE, (60, 40, 30)),
        tolerance=8,
    ),
    ImageCase(
        name="gray-png-with-alpha", source="a drawing program",
        content=lambda: encoded(cut_out((60, 60, 60)).convert("LA"), "PNG"), shown=lambda: on(WHITE, (60, 60, 60)),
    ),
    ImageCase(
        name="palette-png-with-alpha", source="a tool that makes images smaller",
        content=lambda: encoded(cut_out((60, 40, 30)).quantize(8), "PNG"), shown=lambda: on(WHITE, (60, 40, 30)),
    ),
    ImageCase(
        name="gif-with-a-transparent-color", source="a shop of old",
        content=lambda: encoded(scene().quantize(16), "GIF", transparency=scene().quantize(16).getpixel((8, 8))),
        shown=lambda: white_corner(scene()),
    ),
    ImageCase(
        name="rgb-png-with-a-transparent-color", source="a shop of old",
        content=lambda: encoded(scene(), "PNG", transparency=COLORS[0][0]), shown=lambda: white_corner(scene()),
    ),
    ImageCase(
        name="gray-png-with-a-transparent-level", source="a shop of old",
        content=lambda: encoded(transparent_key("L"), "PNG", transparency=7),
        shown=lambda: white_corner(transparent_key("L")),
    ),
    ImageCase(
        name="png-of-2-bits-with-a-transparent-level", source="a tool that makes images smaller",
        content=lambda: raw_png(packed(LEVELS_2, 2), depth=2, color=0, chunks=((b"tRNS", b"\0\1"),)),
        shown=lambda: squares(np.where(LEVELS_2[::PATCH, ::PATCH] == 1, 255, LEVELS_2[::PATCH, ::PATCH] * 85)),
    ),
    ImageCase(
        name="png-of-1-bit-with-a-transparent-level", source="a fax machine",
        content=lambda: raw_png(packed(LEVELS_2 % 3 % 2, 1), depth=1, color=0, chunks=((b"tRNS", b"\0\0"),)),
        status=Status.OK, shown=lambda: squares(np.where(LEVELS_2[::PATCH, ::PATCH] % 3 % 2, 255, 128)),
        differs="on a white page a browser shows nothing at all",
    ),
    ImageCase(
        name="png-of-16-bits-gray-with-a-transparent-level", source="a scanner",
        content=lambda: raw_png(
            (np.asarray(gray_scene()).astype(np.uint16) * 257).astype(">u2").view(np.uint8).reshape(48, -1),
            depth=16, color=0, chunks=((b"tRNS", bytes([gray_scene().getpixel((8, 8))] * 2)),),
        ),
        shown=lambda: white_corner(gray_scene()),
    ),
    ImageCase(
        name="png-of-16-bits-with-a-transparent-color", source="a renderer",
        content=lambda: raw_png(
            (WORDS.astype(np.uint16) * 257).astype(">u2").view(np.uint8).reshape(48, -1), depth=16, color=2,
            chunks=((b"tRNS", bytes(level for each in COLORS[0][0] for level in (each, each))),),
        ),
        shown=lambda: white_corner(scene()),
    ),
    ImageCase(
        name="interlaced-gif", source="a shop of old",
        content=lambda: encoded(scene().quantize(16), "GIF", interlace=1), shown=scene,
    ),
    ImageCase(
        name="gif-whose-frame-covers-a-part", source="an animation tool", content=offset_gif,
        at={(8, 8): WHITE, (SIDE + 8, 8): COLORS[0][0], (SIDE + 8, 60): WHITE},
    ),
    ImageCase(
        name="animated-gif", source="an animation tool",
        content=lambda: encoded(scene(), "GIF", save_all=True, append_images=[Image.new("RGB", scene().size)]),
        shown=scene,
    ),
    ImageCase(
        name="animated-webp", source="an image service",
        content=lambda: encoded(
            scene(), "WEBP", save_all=True, lossless=True, append_images=[Image.new("RGB", scene().size)]
        ),
        shown=scene,
    ),
    ImageCase(
        name="animated-png", source="an animation tool",
        content=lambda: encoded(scene(), "PNG", save_all=True, append_images=[Image.new("RGB", scene().size)]),
        shown=scene,
    ),
    ImageCase(
        name="animated-png-with-another-first-image", source="an animation tool", content=hidden_first, shown=scene
    ),
    *(
        ImageCase(
            name=f"turned-{name}", source="a phone and a converter",
            content=lambda name=name, options=options: encoded(scene(), name, exif=exif(6), **options),
            shown=lambda: scene().transpose(Image.Transpose.ROTATE_270), differs=differs, tolerance=8,
        )
        for name, options, differs in (
            ("JPEG", {"quality": 95, "subsampling": 0}, ""),
            ("PNG", {}, ""),
            ("WEBP", {"lossless": True}, "Chromium does not read the EXIF of WebP"),
            ("AVIF", {"quality": 95, "subsampling": "4:4:4"}, ""),
            ("TIFF", {}, NO_TIFF),
        )
    ),
    ImageCase(name="bmp", source="Paint", content=lambda: encoded(scene(), "BMP"), shown=scene),
    ImageCase(name="bmp-of-os2", source="a scanner of old", content=lambda: os2_bitmap(scene()), shown=scene),
    *(
        ImageCase(
            name=f"bmp-of-{bits}-bits", source="a till",
            content=lambda bits=bits: bitmap(
                packed(INDICES, bits), 64, bits=bits, palette=PALETTE.ljust(4 << bits, b"\0")
            ),
            shown=scene,
        )
        for bits in (4, 8)
    ),
    ImageCase(
        name="bmp-of-1-bit", source="a label printer",
        content=lambda: bitmap(packed(INDICES % 2, 1), 64, bits=1, palette=b"\x10\x20\x30\0\xf0\xe0\xd0\0"),
        shown=lambda: squares(
            np.array([(0x30, 0x20, 0x10), (0xD0, 0xE0, 0xF0)])[INDICES[::PATCH, ::PATCH] % 2]
        ),
    ),
    ImageCase(
        name="bmp-of-15-bits", source="a game",
        content=lambda: bitmap(words(16, (10, 5), (5, 5), (0, 5)), 64, bits=16), shown=scene, tolerance=10,
    ),
    ImageCase(
        name="bmp-of-16-bits", source="a display",
        content=lambda: bitmap(
            words(16, (11, 5), (5, 6), (0, 5)), 64, bits=16, compression=3, extra=masks((11, 5), (5, 6), (0, 5))
        ),
        shown=scene, tolerance=10,
    ),
    ImageCase(
        name="bmp-of-odd-bit-fields", source="a display",
        content=lambda: bitmap(
            words(32, (20, 8), (10, 8), (0, 8)), 64, bits=32, compression=3, extra=masks((20, 8), (10, 8), (0, 8))
        ),
        shown=scene,
    ),
    ImageCase(
        name="bmp-of-32-bits", source="a screenshot tool",
        content=lambda: bitmap(words(32, (16, 8), (8, 8), (0, 8)), 64, bits=32), shown=scene,
    ),
    ImageCase(
        name="bmp-of-32-bits-with-alpha", source="GIMP",
        content=lambda: bitmap(
            words(32, (16, 8), (8, 8), (0, 8), alpha=128), 64, bits=32, compression=3,
            extra=(masks((16, 8), (8, 8), (0, 8), (24, 8)) + b"BGRs").ljust(84, b"\0"),
        ),
        shown=lambda: Image.blend(Image.new("RGB", scene().size, "white"), scene(), 128 / 255),
    ),
    ImageCase(
        name="bmp-from-the-top", source="a camera's driver",
        content=lambda: bitmap(words(32, (16, 8), (8, 8), (0, 8)), 64, bits=32, top_down=True), shown=scene,
    ),
    ImageCase(
        name="bmp-of-run-lengths", source="Paint of old",
        content=lambda: bitmap(
            packed(INDICES, 8), 64, bits=8, compression=1, palette=PALETTE, content=run_lengths(of_four_bits=False)
        ),
        shown=scene,
    ),
    ImageCase(
        name="bmp-of-run-lengths-of-4-bits", source="Paint of old",
        content=lambda: bitmap(
            packed(INDICES, 4), 64, bits=4, compression=2, palette=PALETTE, content=run_lengths(of_four_bits=True)
        ),
        shown=scene,
    ),
    ImageCase(
        name="bmp-cut-off", source="a cut transfer", content=lambda: encoded(scene(), "BMP")[:5_000],
        status=Status.CORRUPT, differs="a browser shows the rows that are there, which are the lowest",
    ),
    ImageCase(
        name="bmp-of-bit-fields-cut-off", source="a cut transfer",
        content=lambda: bitmap(
            words(32, (20, 8), (10, 8), (0, 8)), 64, bits=32, compression=3, extra=masks((20, 8), (10, 8), (0, 8))
        )[:5_000],
        status=Status.CORRUPT, differs="a browser shows the rows that are there, which are the lowest",
    ),
    *(
        ImageCase(
            name=f"jpeg-2000-{name}", source="a museum", content=content, shown=shown, differs=NO_JPEG_2000
        )
        for name, content, shown in (
            ("in-its-container", lambda: encoded(scene(), "JPEG2000"), scene),
            ("codestream", lambda: encoded(scene(), "JPEG2000", no_jp2=True), scene),
            ("gray", lambda: encoded(gray_scene(), "JPEG2000"), gray_scene),
            ("in-tiles", lambda: encoded(scene(), "JPEG2000", tile_size=(32, 32)), scene),
            ("with-alpha", lambda: encoded(cut_out((60, 40, 30)), "JPEG2000"), lambda: on(WHITE, (60, 40, 30))),
        )
    ),
    ImageCase(
        name="jpeg-2000-cut-off", source="a cut transfer", content=lambda: encoded(scene(), "JPEG2000")[:150],
        status=Status.CORRUPT,
    ),
    ImageCase(
        name="heic", source="a phone", content=lambda: heif(scene()), shown=scene, differs=NO_HEIC, tolerance=8,
        needs="pillow_heif",
    ),
    ImageCase(
        name="heic-in-display-p3", source="a phone", content=lambda: heif(scene(), icc_profile=P3),
        shown=lambda: converted(scene(), P3), differs=NO_HEIC, tolerance=8, needs="pillow_heif",
    ),
    ImageCase(
        name="heic-turned", source="a phone", content=lambda: heif(scene(), exif=exif(6).tobytes()),
        shown=lambda: scene().transpose(Image.Transpose.ROTATE_270), differs=NO_HEIC, tolerance=8, needs="pillow_heif",
    ),
    ImageCase(
        name="heic-cut-out", source="a phone", content=lambda: heif(cut_out((60, 40, 30))),
        shown=lambda: on(WHITE, (60, 40, 30)), differs=NO_HEIC, tolerance=8, needs="pillow_heif",
    ),
    ImageCase(
        name="heic-cut-off", source="a cut transfer", content=lambda: heif(scene())[:400], status=Status.CORRUPT,
        needs="pillow_heif",
    ),
    *(
        ImageCase(
            name=name, source="a link to something else", content=lambda data=data: data, status=Status.NOT_AN_IMAGE
        )
        for name, data in TEXTS.items()
    ),
    *(
        ImageCase(
            name=f"icon-of-{name.lower()}", source="a shop's favicon", content=lambda name=name: icon(scene(), name),
            status=Status.NOT_AN_IMAGE, differs="a browser shows it; an icon is no photograph of a product",
        )
        for name in ("PNG", "BMP")
    ),
    ImageCase(
        name="jpeg-in-base64", source="an API", content=lambda: b64encode(jpeg()), status=Status.NOT_AN_IMAGE
    ),
    ImageCase(
        name="jpeg-compressed-by-gzip", source="a server that forgets to say so", content=lambda: gzip.compress(jpeg()),
        status=Status.NOT_AN_IMAGE,
    ),
    *(
        ImageCase(
            name=f"single-color-{name}", source="a shop without an image", content=content, status=Status.SINGLE_COLOR,
            differs="a browser shows it; nothing is on it",
        )
        for name, content in (
            ("jpeg", lambda: jpeg(Image.new("RGB", (300, 200), (120, 10, 90)))),
            ("gray-jpeg", lambda: encoded(Image.new("L", (300, 200), 200))),
            ("png", lambda: encoded(Image.new("RGB", (300, 200), "white"), "PNG")),
            ("large-png", lambda: encoded(Image.new("RGB", (1_300, 1_200), "white"), "PNG")),
            ("gif", lambda: encoded(Image.new("P", (300, 200), 3), "GIF")),
            ("jpeg-with-noise", lambda: jpeg(noisy(3))),
        )
    ),
    ImageCase(
        name="single-color-with-a-dot", source="a swatch", content=lambda: png(image=dotted()),
        at={(8, 8): (240, 240, 240)},
    ),
)  # fmt: skip


def noisy(levels: int) -> Image.Image:
    noise = np.random.default_rng(0).integers(-levels, levels + 1, (200, 300, 1))
    return Image.fromarray((np.array([120, 130, 140]) + noise).astype(np.uint8))


def dotted() -> Image.Image:
    image = Image.new("RGB", (64, 64), (240, 240, 240))
    image.paste((90, 90, 90), (40, 40, 46, 46))
    return image
