"""JPEGs and others that lack bytes, or have some before their start or after their end."""

import io
import zipfile

from PIL import Image

from catalog.images.statuses import Status
from tests.catalog.images.sample_images import encoded
from tests.faults.dirty.drawn_images import COLORS, jpeg, png, scene, tall
from tests.faults.dirty.image_case import ImageCase

TALL = tall().height
RED = COLORS[0][0]
LAST_ROW = "a browser waits for more bytes before it shows the last row of blocks"
LEADING = "a browser takes a file of other first bytes for no image; the image behind them is whole"


def cut(data: bytes, share: float) -> bytes:
    return data[: round(share * len(data))]


def progressive(image: Image.Image | None = None) -> bytes:
    return jpeg(image, progressive=True)


def scans(data: bytes, num: int) -> bytes:
    """The first scans of a progressive JPEG, without its end."""
    place = 0
    for _ in range(num + 1):
        place = data.index(b"\xff\xda", place + 1)
    return data[:place]


def zeros(data: bytes, share: float) -> bytes:
    """The data with zeros in place of its end."""
    return cut(data, share).ljust(len(data), b"\0")


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def with_thumbnail() -> bytes:
    """A photograph whose EXIF has a thumbnail with an end marker, cut off."""
    segment = b"Exif\0\0" + b"MM\0*\0\0\0\x08\0\0" + jpeg(scene().resize((16, 12)))
    data = jpeg(tall())
    return cut(data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:], 0.4)


def stored_zip() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.jpg", jpeg())
    return archive.getvalue()


CASES = (
    ImageCase(name="jpeg-whole", source="any shop", content=jpeg, shown=scene),
    ImageCase(
        name="jpeg-without-end-marker", source="a camera's firmware", content=lambda: jpeg()[:-2], shown=scene,
        differs=LAST_ROW,
    ),
    ImageCase(
        name="jpeg-half-an-end-marker", source="a cut transfer", content=lambda: jpeg()[:-1], shown=scene,
        differs=LAST_ROW,
    ),
    ImageCase(
        name="jpeg-cut-in-its-last-rows",
        source="a cut transfer",
        content=lambda: cut(jpeg(tall()), 0.96),
        at={(8, 8): RED},
    ),
    ImageCase(
        name="jpeg-of-4-2-0-cut-in-its-last-rows",
        source="a cut transfer",
        content=lambda: cut(encoded(tall(), quality=85), 0.96),
        at={(8, 8): RED},
    ),
    ImageCase(
        name="jpeg-cut-in-the-middle", source="a cut transfer", content=lambda: cut(jpeg(tall()), 0.5),
        status=Status.CORRUPT, differs="a browser shows the rows that are there; too few of them are",
    ),
    ImageCase(
        name="jpeg-cut-in-its-tables", source="a cut transfer", content=lambda: jpeg()[:300], status=Status.CORRUPT
    ),
    ImageCase(
        name="jpeg-cut-behind-a-thumbnail", source="a camera and a cut transfer", content=with_thumbnail,
        status=Status.CORRUPT, differs="a browser shows the rows that are there; too few of them are",
    ),
    ImageCase(
        name="jpeg-turned-and-cut", source="a phone and a cut transfer",
        content=lambda: cut(jpeg(tall(), exif=exif(6)), 0.96),
        at={(-8, 8): RED},
    ),
    ImageCase(
        name="jpeg-with-restart-markers-cut", source="a camera and a cut transfer",
        content=lambda: cut(jpeg(tall(), restart_marker_rows=1), 0.96), at={(8, 8): RED},
    ),
    ImageCase(
        name="jpeg-zeros-for-its-last-rows", source="a disk that was full", content=lambda: zeros(jpeg(tall()), 0.96),
        at={(8, 8): RED},
    ),
    ImageCase(
        name="jpeg-zeros-for-its-half", source="a disk that was full", content=lambda: zeros(jpeg(tall()), 0.5),
        status=Status.CORRUPT, differs="a browser decodes the zeros, to a color that nobody meant",
    ),
    ImageCase(
        name="progressive-without-end-marker", source="a cut transfer", content=lambda: progressive()[:-2], shown=scene
    ),
    ImageCase(
        name="progressive-cut-behind-half-of-its-scans", source="a cut transfer",
        content=lambda: scans(progressive(), 6), shown=scene, tolerance=16,
    ),
    ImageCase(
        name="progressive-cut-within-a-later-scan", source="a cut transfer",
        content=lambda: cut(progressive(tall()), 0.9), at={(8, 8): RED, (24, TALL - 8): COLORS[0][1]}, tolerance=16,
    ),
    ImageCase(
        name="progressive-cut-in-its-first-scan", source="a cut transfer",
        content=lambda: scans(progressive(tall()), 1)[:-200], status=Status.CORRUPT,
        differs="a browser shows blocks of one color where there are any",
    ),
    ImageCase(
        name="png-without-end-chunk", source="a cut transfer", content=lambda: png()[:-12], shown=scene
    ),
    ImageCase(
        name="png-cut-in-its-last-rows", source="a cut transfer",
        content=lambda: cut(encoded(tall(), "PNG", compress_level=0), 0.95),
        at={(8, 8): RED},
    ),
    ImageCase(
        name="png-cut-in-the-middle", source="a cut transfer",
        content=lambda: cut(encoded(tall(), "PNG", compress_level=0), 0.5), status=Status.CORRUPT,
        differs="a browser shows the rows that are there; too few of them are",
    ),
    ImageCase(
        name="gif-cut-in-its-last-rows", source="a cut transfer",
        content=lambda: cut(encoded(tall().quantize(16), "GIF", interlace=0), 0.97),
        at={(8, 8): RED},
    ),
    ImageCase(
        name="gif-interlaced-and-cut", source="a cut transfer",
        content=lambda: cut(encoded(tall().quantize(16), "GIF", interlace=1), 0.7), status=Status.CORRUPT,
        differs="a browser repeats the rows that are there",
    ),
    ImageCase(
        name="webp-cut", source="a cut transfer", content=lambda: cut(encoded(scene(), "WEBP", lossless=True), 0.9),
        status=Status.CORRUPT,
    ),
    ImageCase(
        name="avif-cut", source="a cut transfer", content=lambda: cut(encoded(scene(), "AVIF"), 0.8),
        status=Status.CORRUPT, differs="a browser shows what its decoder makes of the missing end",
    ),
    ImageCase(
        name="byte-order-mark-before-a-jpeg", source="a PHP script saved with a byte order mark",
        content=lambda: b"\xef\xbb\xbf" + jpeg(), shown=scene, differs=LEADING,
    ),
    ImageCase(
        name="line-ends-before-a-jpeg", source="a PHP script with empty lines", content=lambda: b"\r\n\r\n" + jpeg(),
        shown=scene, differs=LEADING,
    ),
    ImageCase(
        name="chunk-lengths-around-a-jpeg", source="a proxy that does not decode chunks",
        content=lambda: b"5a4\r\n" + jpeg() + b"\r\n0\r\n\r\n", shown=scene, differs=LEADING,
    ),
    ImageCase(
        name="headers-before-a-jpeg", source="a CGI script that writes its headers twice",
        content=lambda: b"Content-Type: image/jpeg\r\nCache-Control: none\r\n\r\n" + jpeg(), shown=scene,
        differs=LEADING,
    ),
    ImageCase(
        name="a-warning-before-a-png", source="a PHP script that shows its warnings",
        content=lambda: b"<br />\n<b>Warning</b>:  Undefined variable $w in <b>/srv/i.php</b><br />\n" + png(),
        shown=scene, differs=LEADING,
    ),
    ImageCase(
        name="a-line-end-before-a-gif", source="a PHP script with an empty line",
        content=lambda: b"\n" + encoded(scene().quantize(16), "GIF"), shown=scene, differs=LEADING,
    ),
    ImageCase(
        name="a-line-end-before-a-webp", source="a PHP script with an empty line",
        content=lambda: b"\n" + encoded(scene(), "WEBP", lossless=True), shown=scene, differs=LEADING,
    ),
    ImageCase(
        name="zeros-before-a-jpeg", source="a block device", content=lambda: bytes(512) + jpeg(), shown=scene,
        differs=LEADING,
    ),
    ImageCase(
        name="fill-bytes-before-a-marker", source="an encoder of a camera",
        content=lambda: jpeg().replace(b"\xff\xc0", b"\xff\xff\xff\xff\xc0", 1), shown=scene,
    ),
    ImageCase(
        name="html-behind-a-jpeg", source="a page that ends with a banner", content=lambda: jpeg() + b"</body></html>",
        shown=scene,
    ),
    ImageCase(
        name="video-behind-a-jpeg", source="a phone's moving photograph",
        content=lambda: jpeg() + b"\0\0\0\x18ftypmp42" + bytes(3_000), shown=scene,
    ),
    ImageCase(name="zeros-behind-a-jpeg", source="a block device", content=lambda: jpeg() + bytes(700), shown=scene),
    ImageCase(
        name="jpeg-in-a-pdf", source="a shop that links data sheets",
        content=lambda: b"%PDF-1.4\n1 0 obj <</Filter /DCTDecode>> stream\n" + jpeg(), status=Status.NOT_AN_IMAGE,
    ),
    ImageCase(
        name="jpeg-in-a-zip", source="a shop that links archives", content=stored_zip, status=Status.NOT_AN_IMAGE
    ),
    ImageCase(
        name="jpeg-in-postscript", source="a print shop", content=lambda: b"%!PS-Adobe-3.0\n" + jpeg(),
        status=Status.NOT_AN_IMAGE,
    ),
    ImageCase(
        name="jpeg-behind-binary-garbage", source="an encrypted disk", content=lambda: b"\x93\x01\xfe\x80" * 9 + jpeg(),
        status=Status.NOT_AN_IMAGE,
    ),
    ImageCase(
        name="jpeg-behind-a-long-text", source="a log with an image in it",
        content=lambda: b"0123456789\n" * 400 + jpeg(), status=Status.NOT_AN_IMAGE,
    ),
)  # fmt: skip
