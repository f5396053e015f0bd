"""Images of the table of dirty images, and the bytes around them that programs write and Pillow does not."""

import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image

from tests.catalog.images.sample_images import encoded
from tests.faults.dirty.image_case import PATCH

COLORS = (
    ((220, 40, 50), (40, 180, 70), (50, 70, 210), (240, 220, 60)),
    ((20, 20, 25), (128, 128, 128), (250, 250, 250), (230, 120, 30)),
    ((90, 30, 120), (180, 220, 230), (60, 90, 60), (200, 160, 150)),
)
WHITE = (255, 255, 255)


def squares(colors: object) -> Image.Image:
    """An image of squares of these colors, (rows, columns) or (rows, columns, channels)."""
    values = np.asarray(colors, np.uint8)
    return Image.fromarray(values.repeat(PATCH, axis=0).repeat(PATCH, axis=1))


@cache
def scene() -> Image.Image:
    """Twelve colors without any symmetry."""
    return squares(COLORS)


@cache
def tall() -> Image.Image:
    """Forty rows of squares, for images that are cut off."""
    return squares(np.tile(np.asarray(COLORS), (14, 1, 1))[:40])


def gray_scene() -> Image.Image:
    return scene().convert("L")


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    return encoded(image or scene(), **{"quality": 95, "subsampling": 0, **options})


def png(*chunks: tuple[bytes, bytes], image: Image.Image | None = None) -> bytes:
    """A PNG with further chunks behind its header."""
    data = encoded(image or scene(), "PNG")
    return data[:33] + b"".join(chunk(*each) for each in chunks) + data[33:]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(rows: np.ndarray, *, depth: int, color: int, chunks: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """A PNG of packed rows (height, bytes), of `depth` bits a channel and PNG's type of color."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    width = rows.shape[1] * 8 // (depth * channels)
    header = struct.pack(">IIBBBBB", width, len(rows), depth, color, 0, 0, 0)
    content = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(content)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in parts)


def without_adobe(data: bytes) -> bytes:
    """A JPEG without its Adobe marker."""
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def with_transform(data: bytes, transform: int) -> bytes:
    """A JPEG whose Adobe marker names another transform: 0 for none, 2 for YCCK."""
    place = data.index(b"\xff\xee") + 15
    return data[:place] + bytes([transform]) + data[place + 1 :]


def inks(*, stored_inverted: bool = True, image: Image.Image | None = None) -> bytes:
    """A JPEG in CMYK with Adobe's marker."""
    cmyk = (image or scene()).convert("CMYK")
    if not stored_inverted:  # Pillow inverts what it writes
        cmyk = Image.fromarray(255 - np.asarray(cmyk), "CMYK")
    return encoded(cmyk, quality=95, subsampling=0)


def ycck() -> bytes:
    """A JPEG as Photoshop writes CMYK: the colors without their inversion as YCbCr, black inverted."""
    cmyk = np.asarray(scene().convert("CMYK"))
    converted = np.asarray(Image.fromarray(cmyk[..., :3]).convert("YCbCr"))
    planes = np.dstack([converted, 255 - cmyk[..., 3]])
    return with_transform(encoded(Image.fromarray(255 - planes, "CMYK"), quality=95, subsampling=0), 2)


def bitmap(
    rows: np.ndarray,
    width: int,
    *,
    bits: int,
    compression: int = 0,
    extra: bytes = b"",
    palette: bytes = b"",
    top_down: bool = False,
    content: bytes | None = None,
) -> bytes:
    """A bitmap of packed rows from the top (height, bytes), with what follows the first 40 bytes of its header."""
    height = len(rows)
    ordered = rows if top_down else rows[::-1]
    padded = np.pad(ordered, ((0, 0), (0, -rows.shape[1] % 4)))
    pixels = padded.tobytes() if content is None else content
    size = 40 + len(extra) if len(extra) > 12 else 40
    offset = 14 + 40 + len(extra) + len(palette)
    signed = -height if top_down else height
    head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", offset + len(pixels), 0, offset, size, width, signed, 1, bits,
                       compression, len(pixels), 2835, 2835, len(palette) // 4, 0)  # fmt: skip
    return head + extra + palette + pixels


def os2_bitmap(image: Image.Image) -> bytes:
    """A bitmap with the header of OS/2, 24 bits."""
    pixels = np.asarray(image.convert("RGB"))[::-1, :, ::-1].tobytes()
    return struct.pack("<2sIIIIHHHH", b"BM", 26 + len(pixels), 0, 26, 12, image.width, image.height, 1, 24) + pixels


def icon(image: Image.Image, file_format: str) -> bytes:
    return encoded(image, "ICO", bitmap_format=file_format.lower(), sizes=[(32, 32)])
