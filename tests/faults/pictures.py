"""Hostile and broken pictures: truncated, mistyped, damaged, and made to fill memory or time."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from PIL import Image

from catalog.images.statuses import Status
from demo.faults import bomb
from tests.catalog.images.pictures import encoded, image, jpeg
from tests.faults.case import Case, picture

OK, CORRUPT, NOT_AN_IMAGE = Status.OK, Status.CORRUPT, Status.NOT_AN_IMAGE
TOO_LARGE, TOO_SMALL = Status.TOO_LARGE, Status.TOO_SMALL
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF")


def pictures() -> list[Case]:
    """All of them."""
    return [*truncated(), *mistyped(), *damaged(), *bombs(), *unusual()]


def truncated() -> Iterator[Case]:
    for file_format in FORMATS:
        data = encoded(image(320, 240), file_format)
        for quarter in (1, 2, 3):
            name = f"{file_format} cut off after {quarter} of 4 quarters"
            yield picture(name, data[: quarter * len(data) // 4], CORRUPT)
    whole = encoded(image(320, 240), progressive=True)
    yield picture("progressive JPEG cut off", whole[: len(whole) * 2 // 3], CORRUPT)


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
        "BMP": encoded(image(), "BMP"),
        "ICO": encoded(image(), "ICO"),
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200),
        "JSON": b'{"error": "not found"}',
    }
    for name, data in others.items():
        yield picture(f"{name} in place of a picture", data, NOT_AN_IMAGE)


def damaged() -> Iterator[Case]:
    png, gif, webp = (encoded(image(320, 240), file_format) for file_format in ("PNG", "GIF", "WEBP"))
    yield picture("JPEG of its first two bytes", b"\xff\xd8", CORRUPT, NOT_AN_IMAGE)
    yield picture("JPEG without pixels", jpeg()[:160], CORRUPT)
    yield picture("JPEG with damaged Huffman codes", flipped(jpeg(320, 240), every=97), OK, CORRUPT)
    yield picture("PNG of its signature", b"\x89PNG\r\n\x1a\n", CORRUPT)
    yield picture("PNG with a wrong checksum", flipped(png, start=29, every=len(png)), CORRUPT)
    yield picture("PNG with garbage for pixels", with_chunks(320, 240, (b"IDAT", b"no zlib at all")), CORRUPT)
    yield picture("PNG without width", with_chunks(0, 240), CORRUPT, TOO_SMALL)
    yield picture("PNG of too few pixels", with_chunks(320, 240, (b"IDAT", zlib.compress(bytes(100)))), CORRUPT)
    yield picture("palette PNG with colours beyond the palette", palette_png(), OK, CORRUPT)
    yield picture("GIF without a frame", gif[:13] + b";", CORRUPT)
    yield picture("WebP that lies about its size", webp[:4] + b"\xff\xff\xff\x7f" + webp[8:], OK, CORRUPT)
    yield picture("WebP of its header", webp[:20], CORRUPT)
    yield picture("TIFF that points to itself", b"II*\0\x08\0\0\0\0\0\x08\0\0\0", CORRUPT)
    yield picture("TIFF with a tag of four gigabytes", tiff_with_huge_tag(), CORRUPT, TOO_LARGE)
    yield picture("AVIF of its header", encoded(image(), "AVIF")[:40], CORRUPT, NOT_AN_IMAGE)


def bombs() -> Iterator[Case]:
    yield picture("PNG of 40,000 x 40,000 pixels", bomb(), TOO_LARGE)
    yield picture("JPEG of 65,500 x 65,500 pixels", resized_header(jpeg(), 65_500, 65_500), TOO_LARGE)
    yield picture("JPEG of 65,535 x 1 pixels", resized_header(jpeg(), 65_535, 1), TOO_LARGE, TOO_SMALL)
    yield picture("GIF of 65,535 x 65,535 pixels", gif_of(65_535, 65_535), TOO_LARGE)
    yield picture("WebP of 16,384 x 16,384 pixels", webp_of(16_384, 16_384), TOO_LARGE)
    yield picture("TIFF of 60,000 x 60,000 pixels", tiff_of(60_000, 60_000), TOO_LARGE)
    yield picture("TIFF of four thousand million pixels a side", tiff_of(2**32 - 1, 2**32 - 1), TOO_LARGE, CORRUPT)
    yield picture("AVIF of 60,000 x 60,000 pixels", avif_of(60_000, 60_000), TOO_LARGE, CORRUPT)
    yield picture("TIFF of ten thousand pages in a ring", tiff_ring(10_000), CORRUPT)
    yield picture("PNG whose text unpacks to 100 MB", with_text(b"zTXt", b"a\0\0"), OK, CORRUPT)
    yield picture("PNG whose colour profile unpacks to 100 MB", with_text(b"iCCP", b"a\0\0"), OK, CORRUPT)
    yield picture("progressive JPEG of thousands of scans", scans(4_000), CORRUPT)
    yield picture("GIF of five thousand frames", frames(5_000), OK)


def unusual() -> Iterator[Case]:
    yield picture("PNG of one pixel", encoded(image(1, 1), "PNG"), TOO_SMALL)
    yield picture("JPEG of 15 pixels", jpeg(15, 100), TOO_SMALL)
    yield picture("JPEG with a ZIP behind it", jpeg() + b"PK\3\4" + bytes(1000), OK)
    yield picture("GIF that is a script", b"GIF89a/*" + bytes(50) + b"*/=1;alert(1)", CORRUPT, TOO_LARGE, TOO_SMALL)
    yield picture("JPEG in CMYK", encoded(image(mode="CMYK")), OK)
    yield picture("PNG of 16 bits", encoded(Image.new("I;16", (64, 48)), "PNG"), OK)
    yield picture("animated WebP", encoded(image(), "WEBP", save_all=True, append_images=[image(seed=1)]), OK)
    yield picture("animated PNG", encoded(image(), "PNG", save_all=True, append_images=[image(seed=1)]), OK)
    yield picture("JPEG with megabytes of comments", with_segments(jpeg(), b"\xff\xfe", b"", 30), OK)
    yield picture("JPEG with megabytes of EXIF", with_segments(jpeg(), b"\xff\xe1", b"Exif\0\0MM\0*", 30), OK)
    profile = b"ICC_PROFILE\0\1\2"  # its first part, thirty times
    yield picture("JPEG with megabytes of colour profile", with_segments(jpeg(), b"\xff\xe2", profile, 30), OK)
    yield picture("PNG that goes on as HTML", encoded(image(), "PNG") + b"<script>alert(1)</script>", OK)
    yield picture("animated GIF", encoded(image(), "GIF", save_all=True, append_images=[image(seed=1)]), OK)
    yield picture("GIF whose frames lie beyond its edges", gif_beyond_edges(), OK, CORRUPT)
    yield picture("JPEG with damaged EXIF", encoded(image(), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), OK)


def flipped(data: bytes, *, start: int = 400, every: int) -> bytes:
    """The data with a byte of every so many inverted."""
    damaged_data = bytearray(data)
    for place in range(start, len(data), every):
        damaged_data[place] ^= 0x5A
    return bytes(damaged_data)


def with_chunks(width: int, height: int, *chunks: tuple[bytes, bytes], colour: int = 2) -> bytes:
    """A PNG of 8 bits a channel with these chunks between its header and its end."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), *chunks, (b"IEND", b""))
    )


def palette_png() -> bytes:
    rows = zlib.compress((b"\0" + b"\xff" * 320) * 240)
    return with_chunks(320, 240, (b"PLTE", b"\1\2\3" * 2), (b"IDAT", rows), colour=3)


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
    data = encoded(image(), "GIF")
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def frames(num: int) -> bytes:
    others = [Image.new("P", (64, 48), index % 250) for index in range(1, num)]
    return encoded(Image.new("P", (64, 48)), "GIF", save_all=True, append_images=others)


def scans(num: int) -> bytes:
    """A progressive JPEG of one colour whose last scan comes again and again: little to send, long to decode."""
    data = encoded(Image.new("RGB", (6000, 6000), "teal"), progressive=True, quality=85)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * num + b"\xff\xd9"


def with_segments(data: bytes, marker: bytes, start: bytes, num: int) -> bytes:
    """The JPEG with so many segments of 64 kB before its own."""
    segment = marker + struct.pack(">H", 65_535) + start.ljust(65_533, b"x")
    return data[:2] + segment * num + data[2:]


def webp_of(width: int, height: int) -> bytes:
    """A lossless WebP that claims this size, in its extended header and its own."""
    data = encoded(image(), "WEBP", lossless=True)
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
    """An AVIF whose container claims this size; the picture within it stays small."""
    data = encoded(image(), "AVIF")
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


def gif_beyond_edges() -> bytes:
    data = encoded(image(), "GIF")
    place = data.index(b",", 13 + 3 * 256)  # the frame, behind the colours
    return data[: place + 1] + struct.pack("<HHHH", 60, 40, 64, 48) + data[place + 9 :]
