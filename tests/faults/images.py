"""Hostile and broken images: truncated, mistyped, damaged, and made to fill memory or time."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache

from PIL import Image

from catalog.images.statuses import Status
from demo.faults import bomb
from tests.catalog.images.sample_images import encoded, jpeg, sample_image
from tests.faults.case import Case, image_case

OK, CORRUPT, NOT_AN_IMAGE, SINGLE_COLOR = Status.OK, Status.CORRUPT, Status.NOT_AN_IMAGE, Status.SINGLE_COLOR
TOO_LARGE, TOO_SMALL = Status.TOO_LARGE, Status.TOO_SMALL
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "BMP", "JPEG2000")


@cache
def images() -> list[Case]:
    """All of them, made once a process."""
    return [*truncated(), *mistyped(), *damaged(), *bombs(), *unusual()]


def truncated() -> Iterator[Case]:
    for file_format in FORMATS:
        data = encoded(sample_image(320, 240), file_format)
        for quarter in (1, 2, 3):
            name = f"{file_format} cut off after {quarter} of 4 quarters"
            yield image_case(name, data[: quarter * len(data) // 4], CORRUPT)
    whole = encoded(sample_image(320, 240), progressive=True)
    yield image_case("progressive JPEG cut off in its first scan", whole[: len(whole) // 10], CORRUPT)


def mistyped() -> Iterator[Case]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.jpg", jpeg())
    others = {
        "nothing": b"",
        "one byte": b"\xff",
        "HTML": b"<!doctype html><img src=x onerror=alert(1)>",
        "SVG with a script": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "PDF": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n(%pipe%id) (r) file\n",
        "ZIP": archive.getvalue(),
        "ELF": b"\x7fELF" + bytes(200),
        "MP4": b"\0\0\0\x18ftypmp42" + bytes(200),
        "PSD": b"8BPS\0\1" + bytes(200),
        "ICO": encoded(sample_image(), "ICO"),
        "JSON": b'{"error": "not found"}',
    }
    for name, data in others.items():
        yield image_case(f"{name} in place of an image", data, NOT_AN_IMAGE)


def damaged() -> Iterator[Case]:
    png, gif, webp = (encoded(sample_image(320, 240), file_format) for file_format in ("PNG", "GIF", "WEBP"))
    yield image_case("JPEG of its first two bytes", b"\xff\xd8", CORRUPT, NOT_AN_IMAGE)
    yield image_case("JPEG without pixels", jpeg()[:160], CORRUPT)
    yield image_case("JPEG with damaged Huffman codes", flipped(jpeg(320, 240), every=97), OK, CORRUPT)
    yield image_case("PNG of its signature", b"\x89PNG\r\n\x1a\n", CORRUPT)
    yield image_case("PNG with a wrong checksum", flipped(png, start=29, every=len(png)), CORRUPT)
    yield image_case("PNG with garbage for pixels", with_chunks(320, 240, (b"IDAT", b"no zlib at all")), CORRUPT)
    yield image_case("PNG without width", with_chunks(0, 240), CORRUPT, TOO_SMALL)
    yield image_case("PNG of too few pixels", with_chunks(320, 240, (b"IDAT", zlib.compress(bytes(100)))), CORRUPT)
    yield image_case("palette PNG with colors beyond the palette", palette_png(), OK, CORRUPT, SINGLE_COLOR)
    yield image_case("GIF without a frame", gif[:13] + b";", CORRUPT)
    yield image_case("WebP that lies about its size", webp[:4] + b"\xff\xff\xff\x7f" + webp[8:], OK, CORRUPT)
    yield image_case("WebP of its header", webp[:20], CORRUPT)
    yield image_case("TIFF that points to itself", b"II*\0\x08\0\0\0\0\0\x08\0\0\0", CORRUPT)
    yield image_case("TIFF with a tag of four gigabytes", tiff_with_huge_tag(), CORRUPT, TOO_LARGE)
    yield image_case("JPEG 2000 of its signature", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200), CORRUPT)
    yield image_case("bitmap of its header", encoded(sample_image(), "BMP")[:54], CORRUPT)
    yield image_case("AVIF of its header", encoded(sample_image(), "AVIF")[:40], CORRUPT, NOT_AN_IMAGE)


def bombs() -> Iterator[Case]:
    yield image_case("PNG of 40,000 x 40,000 pixels", bomb(), TOO_LARGE)
    yield image_case("JPEG of 65,500 x 65,500 pixels", resized_header(jpeg(), 65_500, 65_500), TOO_LARGE)
    yield image_case("JPEG of 65,535 x 1 pixels", resized_header(jpeg(), 65_535, 1), TOO_LARGE, TOO_SMALL)
    yield image_case("GIF of 65,535 x 65,535 pixels", gif_of(65_535, 65_535), TOO_LARGE)
    yield image_case("WebP of 16,384 x 16,384 pixels", webp_of(16_384, 16_384), TOO_LARGE)
    yield image_case("TIFF of 60,000 x 60,000 pixels", tiff_of(60_000, 60_000), TOO_LARGE)
    yield image_case("TIFF of four thousand million pixels a side", tiff_of(2**32 - 1, 2**32 - 1), TOO_LARGE, CORRUPT)
    yield image_case("AVIF of 60,000 x 60,000 pixels", avif_of(60_000, 60_000), TOO_LARGE, CORRUPT)
    yield image_case("TIFF of ten thousand pages in a ring", tiff_ring(10_000), CORRUPT)
    yield image_case("PNG whose text unpacks to 100 MB", with_text(b"zTXt", b"a\0\0"), OK, CORRUPT)
    yield image_case("PNG whose color profile unpacks to 100 MB", with_text(b"iCCP", b"a\0\0"), OK, CORRUPT)
    yield image_case("progressive JPEG of thousands of scans", scans(4_000), CORRUPT)
    yield image_case("GIF of five thousand frames", frames(5_000), OK, SINGLE_COLOR)


def unusual() -> Iterator[Case]:
    yield image_case("PNG of one pixel", encoded(sample_image(1, 1), "PNG"), TOO_SMALL)
    yield image_case("JPEG of 15 pixels", jpeg(15, 100), TOO_SMALL)
    yield image_case("JPEG with a ZIP behind it", jpeg() + b"PK\3\4" + bytes(1000), OK)
    yield image_case("GIF that is a script", b"GIF89a/*" + bytes(50) + b"*/=1;alert(1)", CORRUPT, TOO_LARGE, TOO_SMALL)
    yield image_case("JPEG in CMYK", encoded(sample_image(mode="CMYK")), OK)
    yield image_case("PNG of 16 bits", encoded(Image.new("I;16", (64, 48)), "PNG"), SINGLE_COLOR)
    yield image_case(
        "animated WebP", encoded(sample_image(), "WEBP", save_all=True, append_images=[sample_image(seed=1)]), OK
    )
    yield image_case(
        "animated PNG", encoded(sample_image(), "PNG", save_all=True, append_images=[sample_image(seed=1)]), OK
    )
    yield image_case("JPEG with megabytes of comments", with_segments(jpeg(), b"\xff\xfe", b"", 30), OK)
    yield image_case("JPEG with megabytes of EXIF", with_segments(jpeg(), b"\xff\xe1", b"Exif\0\0MM\0*", 30), OK)
    profile = b"ICC_PROFILE\0\1\2"  # its first part, thirty times
    yield image_case("JPEG with megabytes of color profile", with_segments(jpeg(), b"\xff\xe2", profile, 30), OK)
    yield image_case("PNG that goes on as HTML", encoded(sample_image(), "PNG") + b"<script>alert(1)</script>", OK)
    yield image_case(
        "animated GIF", encoded(sample_image(), "GIF", save_all=True, append_images=[sample_image(seed=1)]), OK
    )
    yield image_case("GIF whose frames lie beyond its edges", gif_beyond_edges(), OK, CORRUPT)
    yield image_case("JPEG with damaged EXIF", encoded(sample_image(), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), OK)


def flipped(data: bytes, *, start: int = 400, every: int) -> bytes:
    """The data with a byte of every so many inverted."""
    damaged_data = bytearray(data)
    for place in range(start, len(data), every):
        damaged_data[place] ^= 0x5A
    return bytes(damaged_data)


def with_chunks(width: int, height: int, *chunks: tuple[bytes, bytes], color: int = 2) -> bytes:
    """A PNG of 8 bits a channel with these chunks between its header and its end."""
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), *chunks, (b"IEND", b""))
    )


def palette_png() -> bytes:
    rows = zlib.compress((b"\0" + b"\xff" * 320) * 240)
    return with_chunks(320, 240, (b"PLTE", b"\1\2\3" * 2), (b"IDAT", rows), color=3)


def with_text(kind: bytes, start: bytes) -> bytes:
    """A good PNG with a chunk that unpacks to 100 MB before its pixels."""
    rows = zlib.compress((b"\0" + b"\x80" * 3 * 320) * 240)
    return with_chunks(320, 240, (kind, start + zlib.compress(bytes(100_000_000), 9)), (b"IDAT", rows))


def tiff_with_huge_tag() -> bytes:
    huge = 0xFFFFFFFF
    return tiff([(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (273, 4, huge, 8), (279, 4, huge, 8)], following=0)


def resized_header(data: bytes, width: int, height: int) -> bytes:
    """A JPEG that claims another size."""
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def gif_of(width: int, height: int) -> bytes:
    data = encoded(sample_image(), "GIF")
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def frames(num: int) -> bytes:
    others = [Image.new("P", (64, 48), index % 250) for index in range(1, num)]
    return encoded(Image.new("P", (64, 48)), "GIF", save_all=True, append_images=others)


def scans(num: int) -> bytes:
    """A progressive JPEG of one color whose last scan comes again and again: little to send, long to decode."""
    data = encoded(Image.new("RGB", (6000, 6000), "teal"), progressive=True, quality=85)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * num + b"\xff\xd9"


def with_segments(data: bytes, marker: bytes, start: bytes, num: int) -> bytes:
    """The JPEG with so many segments of 64 kB before its own."""
    segment = marker + struct.pack(">H", 65_535) + start.ljust(65_533, b"x")
    return data[:2] + segment * num + data[2:]


def webp_of(width: int, height: int) -> bytes:
    """A lossless WebP that claims this size, in its extended header and its own."""
    data = encoded(sample_image(), "WEBP", lossless=True)
    place = data.index(b"VP8L") + 9  # behind the length and the signature
    bits = (width - 1) | (height - 1) << 14
    return data[:place] + struct.pack("<I", bits & 0x0FFF_FFFF) + data[place + 4 :]


def tiff_of(width: int, height: int) -> bytes:
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    return tiff([*entries, (273, 4, 1, 8), (278, 4, 1, height), (279, 4, 1, 100)], following=0)


def tiff_ring(num: int) -> bytes:
    """Directories of nothing, each of which names the next, and the last the first."""
    directories = [struct.pack("<HI", 0, 8 + 6 * ((index + 1) % num)) for index in range(num)]
    return b"II*\0\x08\0\0\0" + b"".join(directories)


def tiff(entries: list[tuple[int, int, int, int]], following: int) -> bytes:
    tags = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + tags + struct.pack("<I", following)


def avif_of(width: int, height: int) -> bytes:
    """An AVIF whose container claims this size; the image within it stays small."""
    data = encoded(sample_image(), "AVIF")
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


def gif_beyond_edges() -> bytes:
    data = encoded(sample_image(), "GIF")
    place = data.index(b",", 13 + 3 * 256)  # the frame, behind the colors
    return data[: place + 1] + struct.pack("<HHHH", 60, 40, 64, 48) + data[place + 9 :]
