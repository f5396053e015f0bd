"""Fuzz of images: whatever the bytes, there is a status, or a plain small JPEG that stays itself and that trains."""

from io import BytesIO

from PIL import Image

from catalog.images.decoding import decode
from catalog.images.jpeg_structure import is_plain
from catalog.images.opening import FORMATS
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage, packed, unpacked
from ml.pixels import decode_pixels
from tests.catalog.images.sample_images import encoded, sample_image
from tests.faults.dirty.image_cases import IMAGE_CASES

RULES = ImageRules(max_pixels=1_000_000, short_side_px=64)
MAX_BYTES = 60_000  # of an example
STATUSES = {Status.CORRUPT, Status.NOT_AN_IMAGE, Status.SINGLE_COLOR, Status.TOO_LARGE, Status.TOO_SMALL}


def corpus() -> list[bytes]:
    """A small image of each format and mode."""
    source, large = sample_image(48, 40), sample_image(150, 100)
    frames = [sample_image(48, 40, seed=seed) for seed in (1, 2)]
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = [encoded(source, file_format) for file_format in FORMATS if file_format != "HEIF"]
    animated = [
        encoded(source, name, save_all=True, append_images=frames) for name in ("GIF", "PNG", "WEBP", "TIFF", "AVIF")
    ]
    modes = [encoded(source.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA", "I;16")]
    jpegs = [
        encoded(source, progressive=True),
        encoded(source, exif=exif, comment=b"a", icc_profile=b"b" * 200),
        encoded(source.convert("CMYK")),
        encoded(large),
        encoded(large, progressive=True, restart_marker_rows=1),
    ]
    tiffs = [encoded(source, "TIFF", compression=each) for each in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")]
    others = [encoded(source, "WEBP", lossless=True), encoded(large, "PNG")]
    # With what the table of dirty images has: profiles of every kind, bitmaps, HEIC, color chunks.
    dirty = [case.content() for case in IMAGE_CASES if not (case.needs and "HEIF" not in FORMATS)]
    small = [data for data in dirty if len(data) < MAX_BYTES]
    return [*plain, *animated, *modes, *jpegs, *tiffs, *others, *small]


def check(data: bytes) -> None:
    """Raises AssertionError, or the error itself, where a promise is broken."""
    image = decode(data, RULES)
    assert unpacked(packed(image)) == image
    if isinstance(image, Status):
        assert image in STATUSES
        return
    assert is_plain(image.data)
    assert RULES.min_side_px <= min(image.width, image.height) <= RULES.short_side_px or image.data == data
    with Image.open(BytesIO(image.data)) as stored:
        assert (stored.format, stored.size) == ("JPEG", (image.width, image.height))
        assert stored.mode in {"L", "RGB"}
    again = decode(image.data, RULES)
    assert isinstance(again, StoredImage) and again.data == image.data
    assert decode_pixels([image.data], 32).shape == (1, 3, 32, 32)
