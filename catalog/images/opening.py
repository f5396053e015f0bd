"""Opening: recognizes an untrusted image by its content, and reads its header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO

from PIL import AvifImagePlugin, Image, ImageFile

from catalog.images.bitfields import BitfieldsImageFile, has_bitfields
from catalog.images.statuses import Status

HAS_HEIF = find_spec("pillow_heif") is not None  # the extra `heic`
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "BMP", "JPEG2000", *(("HEIF",) if HAS_HEIF else ()))
JPEG_FORMATS = frozenset({"JPEG", "MPO"})
MAX_PREFIX_BYTES = 2_048  # of text before an image

_HEAD_BYTES = 16  # by which formats are recognized
_BITMAP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})  # sizes in bytes
_MAX_BRANDS = 32
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_GENERAL_BRANDS = frozenset({b"mif1", b"mif2", b"msf1"})  # of AVIF and HEIF, which the other brands tell apart
# Text that comes before an image where a server or a program has written something else first: a byte order mark, line
# ends, the length of an HTTP chunk, a warning of PHP. A PDF, a PostScript or an SVG that holds an image is none.
_SIGNATURE = rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n"
_TEXTUAL_SIGNATURE = rb"GIF8[79]a|RIFF....WEBPVP8"  # only at the start of a line, as other texts may contain it
_PREFIX = re.compile(
    rb"(?:\xef\xbb\xbf)?(?!\s*(?:%%PDF|%%!PS|<svg|<\?xml))"
    rb"(?:[\t\n\r\x20-\x7e]{0,%(most)d}?(?:(?=%(signature)s)|(?<=[\n\xbf])(?=%(textual)s))"
    rb"|\x00{1,%(most)d}?(?=%(signature)s|%(textual)s))"
    % {b"most": MAX_PREFIX_BYTES, b"signature": _SIGNATURE, b"textual": _TEXTUAL_SIGNATURE},
    re.DOTALL,
)

# Pillow would share the cores among its threads already; decoders do, and threads reserve address space.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
Image.init()


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """An image whose header is read, and the bytes of its file, from the image's first one."""

    image: ImageFile.ImageFile
    data: bytes


def open_image(data: bytes) -> OpenedImage | Status:
    """Reads the header of an image in any of `FORMATS`; returns the status of one that cannot be opened.

    Text before a JPEG, PNG, GIF or WebP is skipped. Formats are tried as Image.open does, but without its pixel limit:
    that one is a global of the process and only warns up to twice its value.
    """
    file_format = format_of(data)
    if file_format is None:
        prefix = _PREFIX.match(data)
        if prefix is None or not prefix.end():
            return Status.NOT_AN_IMAGE
        data = data[prefix.end() :]
        file_format = format_of(data)
    if file_format is None:
        return Status.NOT_AN_IMAGE
    try:
        return OpenedImage(opened_as(file_format, data), data)
    except Image.DecompressionBombError:
        return Status.TOO_LARGE
    except MemoryError:
        raise
    except Exception:  # Pillow's readers raise nearly anything on damaged input
        return Status.CORRUPT


def format_of(data: bytes) -> str | None:
    """Returns the one of `FORMATS` that the first bytes of a file are of."""
    if data.startswith(b"\xff\xd8\xff"):  # most images are JPEGs
        return "JPEG"
    head = data[:_HEAD_BYTES]
    if head[4:8] == b"ftyp":
        return _brand(data)
    for name in FORMATS:
        accepts = Image.OPEN[name][1] if name in Image.OPEN else None
        if accepts is not None and accepts(head) is True:
            is_bitmap = name != "BMP" or int.from_bytes(data[14:18], "little") in _BITMAP_HEADERS
            return name if is_bitmap else None
    return None


def opened_as(file_format: str, data: bytes) -> ImageFile.ImageFile:
    """Reads the header of a file of this format; raises nearly anything where it is damaged."""
    if file_format == "HEIF":
        return _heif(data)
    if file_format == "BMP" and has_bitfields(data):
        return BitfieldsImageFile(BytesIO(data), "")
    factory, _ = Image.OPEN[file_format]
    return factory(BytesIO(data), "")


def _brand(data: bytes) -> str | None:
    """The format of a file in ISO's container, by its brands."""
    size = int.from_bytes(data[:4], "big")
    listed = data[8:12] + data[16 : min(size, 16 + 4 * _MAX_BRANDS)]
    brands = [listed[place : place + 4] for place in range(0, len(listed) - 3, 4)]
    if not brands or brands[0] not in _AVIF_BRANDS | _HEIF_BRANDS | _GENERAL_BRANDS:
        return None
    if brands[0] in _AVIF_BRANDS or (brands[0] in _GENERAL_BRANDS and not _AVIF_BRANDS.isdisjoint(brands)):
        return "AVIF"
    return "HEIF" if HAS_HEIF else None


def _heif(data: bytes) -> ImageFile.ImageFile:
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
    image: ImageFile.ImageFile = pillow_heif.HeifImageFile(BytesIO(data), "")  # type: ignore[no-untyped-call]
    return image
