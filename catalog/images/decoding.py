"""Decoding: converts the bytes of an untrusted image to the small upright JPEG that is stored, with its hashes.

`decode` is a plain function of bytes, the only one that reads an image of a stranger: downloads run it in worker
processes, and so do `shelfsight classify`, `similar` and the served model, so that all of them see the same pixels:
those that a browser would show.

A JPEG is stored as it came if a decoder of stored images finds nothing else in it: it is upright, gray or sRGB, of
`short_side_px` at most, sequential with a scan a component (see `jpeg_structure`), no larger than its pixels warrant,
and nothing follows its end. Everything else is decoded, and what is stored is encoded anew.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
from io import BytesIO

import cv2
import numpy as np
from PIL import Image, ImageFile

from catalog.images.color_meaning import color_meaning
from catalog.images.colors import in_gray_or_rgb
from catalog.images.jpeg_structure import has_too_many_scans, is_plain
from catalog.images.loading import LoadedImage, load
from catalog.images.margins import without_frame
from catalog.images.opening import JPEG_FORMATS, OpenedImage, open_image
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage

MAX_SIDE_PX = 65_500  # the longest side that a JPEG can have in libjpeg
MAX_BYTES_PER_PIXEL = 3  # of a JPEG that is stored unchanged: the most that pixels need,
MAX_METADATA_BYTES = 65_536  # and the metadata beside them
MAX_FLAT_RANGE = 16  # levels of 255, in each channel, within which an image is of a single color

_ORIENTATION_TAG = 0x0112
_UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# OpenJPEG holds four bytes for each number several times.
_PIXEL_COSTS = {"JPEG2000": 2}  # times that of other formats, in memory

# Pillow warns about damaged metadata, once per process and without naming the image; outcomes name it.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(data: bytes, rules: ImageRules) -> StoredImage | Status:
    """Decodes an image for storage.

    The content determines the format, and the header the size, before any pixel is decoded; of an animation the first
    frame that is shown is used. Colors become sRGB; an image that was cut off may be accepted (`min_decoded_share`).

    Args:
        data: the bytes of a file in any of `catalog.images.opening.FORMATS`.
        rules: limits of size, and how images are stored.

    Returns:
        The image to store, or the status that explains why there is none.

    Raises:
        MemoryError: the image needs more memory than there is.
    """
    if len(data) > rules.max_bytes:
        return Status.TOO_LARGE
    opened = open_image(data)
    if isinstance(opened, Status):
        return opened
    refused = _refusal(opened, rules)
    if refused is not None:
        return refused
    data = opened.data  # from the image's first byte
    width, height = opened.image.size
    loaded = _load(opened, rules)
    if loaded is None:
        return Status.CORRUPT
    image, is_unchanged = loaded
    is_lean = len(data) <= MAX_BYTES_PER_PIXEL * width * height + MAX_METADATA_BYTES
    is_small = min(width, height) <= rules.short_side_px
    is_stored = is_unchanged and is_lean and is_small and is_plain(data)
    if not is_stored:
        image = _resized(image, rules.short_side_px)
    cells = _cells(image)
    stored = data if is_stored else _encoded(image, rules.quality)
    # The few means first: they differ in nearly every image. Encoded pixels may differ less than those before.
    if _is_flat(cells) and (_is_flat(image) or _is_flat(Image.open(BytesIO(stored)))):
        return Status.SINGLE_COLOR
    sha256 = hashlib.sha256(stored).hexdigest()
    return StoredImage(stored, image.width, image.height, sha256, _difference_hash(cells), rules.short_side_px)


def dhash(image: Image.Image) -> int:
    """Computes the difference hash: 64 bits, set where gray increases from left to right in 8 rows of 9 cells.

    The first row is the top byte. A white frame, which copies may have, is cropped first.
    """
    return _difference_hash(_cells(image))


def _cells(image: Image.Image) -> Image.Image:
    """The means of gray in 8 rows of 9 cells."""
    return without_frame(image).resize((9, 8), Image.Resampling.BOX)


def _difference_hash(cells: Image.Image) -> int:
    gray = np.asarray(cells)  # (8 rows, 9 columns)
    return int.from_bytes(np.packbits(gray[:, 1:] > gray[:, :-1]).tobytes(), "big")


def _is_flat(image: Image.Image) -> bool:
    """Returns whether an image, in gray or RGB, is of a single color."""
    extrema = image.getextrema() if len(image.getbands()) > 1 else [image.getextrema()]
    return all(high - low <= MAX_FLAT_RANGE for low, high in extrema)  # type: ignore[misc, operator]


def _refusal(opened: OpenedImage, rules: ImageRules) -> Status | None:
    """The status of an image that is not decoded, by its header and, of a JPEG, its markers; None of others."""
    image = opened.image
    width, height = image.size
    cost = _PIXEL_COSTS.get(image.format or "", 1)
    if cost * width * height > rules.max_pixels or max(width, height) > MAX_SIDE_PX:
        return Status.TOO_LARGE
    if min(width, height) < rules.min_side_px:
        return Status.TOO_SMALL
    return Status.CORRUPT if image.format in JPEG_FORMATS and has_too_many_scans(opened.data) else None


def _load(opened: OpenedImage, rules: ImageRules) -> tuple[Image.Image, bool] | None:
    """The upright pixels in gray or RGB, and whether the file contains exactly these; None if it is damaged."""

    def reduce(image: ImageFile.ImageFile) -> None:
        if image.format in JPEG_FORMATS:  # halved in the decoder as long as the short side stays long enough
            scale = rules.short_side_px / min(image.size)
            image.draft(None, (round(image.width * scale), round(image.height * scale)))

    try:
        loaded = load(opened, reduce, rules.min_decoded_share)
        image = loaded.image
        # Pillow turns TIFF itself, and the decoder HEIF.
        is_upright = image.format in {"TIFF", "HEIF"}
        orientation = 1 if is_upright else _orientation(image.info.get("exif"))
        pixels = in_gray_or_rgb(image, color_meaning(image, opened.data))
        if not loaded.is_whole:
            pixels = _without_missing(pixels, loaded)
    except MemoryError:
        raise
    except Exception:  # as in open_image
        return None
    if orientation in _UPRIGHT_BY:
        pixels = pixels.transpose(_UPRIGHT_BY[orientation])
    return pixels, image.format in JPEG_FORMATS and pixels is image


def _without_missing(pixels: Image.Image, loaded: LoadedImage) -> Image.Image:
    """Crops an image that was cut off; a frame of a GIF that does not fill its screen lies on white."""
    shown = pixels.crop(loaded.box)
    if loaded.is_cut_off:
        return shown
    screen = Image.new(pixels.mode, pixels.size, "white")
    screen.paste(shown, loaded.box)
    return screen


def _orientation(exif: object) -> int:
    """The EXIF orientation; 1, upright, where it is missing or damaged. Pillow's reader is slow and warns."""
    if not isinstance(exif, bytes):
        return 1
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (num_tags,) = struct.unpack_from(order + "H", tiff, start)
        for index in range(num_tags):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * index)
            if tag == _ORIENTATION_TAG:
                return int(value)
    except struct.error:
        return 1
    return 1


def _resized(image: Image.Image, short_side_px: int) -> Image.Image:
    scale = short_side_px / min(image.size)
    if scale >= 1:
        return image
    size = (round(image.width * scale), round(image.height * scale))
    if scale <= 0.5:  # JPEGs never are, the decoder has halved them
        image = image.reduce(int(1 / scale))
    # Down to a half, the two taps of linear interpolation use every pixel: no wider filter is needed. On photographs
    # of 400 px it is closer to Lanczos (42.1 dB) than Pillow's bilinear (40.5 dB), in a sixth of the time.
    try:
        return Image.fromarray(cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_LINEAR))
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(f"no memory to resize an image to {size[0]} x {size[1]} pixels") from error
        raise


def _encoded(image: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality, comment=b"")
    return buffer.getvalue()
