"""Loading: decodes the pixels of an opened image, also of one that was cut off, and tells which of them the file has.

What a file that was cut off has is found by decoding it twice, with two continuations that cannot both be right: the
rows that are equal do not depend on what is missing. A browser shows these rows and nothing of the others, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from catalog.images.jpeg_structure import END_OF_IMAGE, jpeg_structure
from catalog.images.opening import JPEG_FORMATS, OpenedImage, opened_as

Box = tuple[int, int, int, int]

STRIP_ROWS = 64
MIN_ZEROS = 64  # at the end of a file, of a transfer that reserved more than it wrote
_JUNK = bytes(range(1, 255)) * 4  # in place of a JPEG's missing pixels; no 255, which would be a marker


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image with its pixels; `box` is the part of it that the file has, all rows of it unless it was cut off."""

    image: ImageFile.ImageFile
    box: Box
    is_cut_off: bool = False

    @property
    def is_whole(self) -> bool:
        return self.box == (0, 0, *self.image.size)


def load(opened: OpenedImage, prepare: Callable[[ImageFile.ImageFile], object], min_share: float) -> LoadedImage:
    """Decodes an image.

    Args:
        opened: the image.
        prepare: applied before pixels are decoded, also to the same image opened again.
        min_share: of an image that was cut off, the least share of its rows that the file must have; 1 accepts only
            one that lacks none.

    Raises:
        Exception: nearly anything, where the image is damaged or too much of it is missing.
    """
    image = opened.image
    if image.format in JPEG_FORMATS and _ends_in_zeros(opened.data):
        return _cut_off_jpeg(opened, prepare, min_share)
    prepare(image)
    if image.info.get("default_image"):  # an animated PNG whose first image is for programs without animations
        image.seek(1)
    shown = _shown(image)
    try:
        image.load()
    except MemoryError:
        raise
    except Exception:
        if image.format in JPEG_FORMATS:
            return _cut_off_jpeg(opened, prepare, min_share)
        if not _is_cut_off(image.format, opened.data):
            raise
        return _cut_off(opened, min_share)
    return LoadedImage(image, shown)


def _shown(image: ImageFile.ImageFile) -> Box:
    """The part of the screen of a GIF that its first frame covers, and the whole of any other image."""
    whole = (0, 0, *image.size)
    if image.format != "GIF" or not image.tile or image.info.get("transparency") is not None:
        return whole
    left, top, right, bottom = image.tile[0].extents or whole
    return max(0, left), max(0, top), min(image.width, right), min(image.height, bottom)


def _ends_in_zeros(data: bytes) -> bool:
    """True where a JPEG's end is missing and zeros stand in its place, which would be decoded as pixels."""
    return data.endswith(bytes(MIN_ZEROS)) and jpeg_structure(data).num_bytes is None


def _cut_off_jpeg(
    opened: OpenedImage, prepare: Callable[[ImageFile.ImageFile], object], min_share: float
) -> LoadedImage:
    data = opened.data.rstrip(b"\0") if _ends_in_zeros(opened.data) else opened.data
    structure = jpeg_structure(data)
    if structure.num_bytes is not None or not structure.has_every_component:
        raise OSError("not cut off, or before every component begins")
    data = data[: structure.num_whole_bytes]

    def decoded(end: bytes) -> ImageFile.ImageFile:
        image = opened_as("JPEG", data + end)
        prepare(image)
        image.load()
        return image

    image = decoded(END_OF_IMAGE)
    if structure.is_progressive:  # then every row is there, as far as its scans go
        return LoadedImage(image, (0, 0, *image.size))
    other = decoded(_JUNK + END_OF_IMAGE)
    is_equal = _equal_rows(image, other)
    num_rows = len(is_equal) if is_equal.all() else int(is_equal.argmin())
    return _checked(image, 0, num_rows, min_share)


def _is_cut_off(file_format: str | None, data: bytes) -> bool:
    """True where a file ends before its format says; formats whose rows do not stand one after another never are."""
    data = data.rstrip(b"\0") if data.endswith(bytes(MIN_ZEROS)) else data
    if file_format == "PNG":
        place = 8
        while place < len(data):
            if data[place + 4 : place + 8] == b"IEND":
                return False
            place += 12 + int.from_bytes(data[place : place + 4], "big")
        return True
    return file_format == "GIF" and not data.endswith(b";")


def _cut_off(opened: OpenedImage, min_share: float) -> LoadedImage:
    """The rows of a PNG or GIF that the file has."""
    data = opened.data.rstrip(b"\0") if opened.data.endswith(bytes(MIN_ZEROS)) else opened.data
    image = _onto(0, opened.image.format or "", data)
    is_equal = _equal_rows(image, _onto(255, opened.image.format or "", data))
    num_rows = len(is_equal) if is_equal.all() else int(is_equal.argmin())
    if is_equal[num_rows:].any():
        raise OSError("the rows of an interlaced image are missing")
    return _checked(image, 0, num_rows, min_share)


def _onto(level: int, file_format: str, data: bytes) -> ImageFile.ImageFile:
    """Decodes what a file has of an image onto this level, in each band, which is left where pixels are missing."""
    image = opened_as(file_format, data)
    image.load_prepare()
    mode, size = image.im.mode, image.im.size
    num_bands = Image.getmodebands(mode)
    palette = image.im.getpalette("RGB", "RGB") if mode == "P" else None
    image.im = Image.core.fill(  # type: ignore[attr-defined]
        mode, size, level if num_bands == 1 else (level,) * num_bands
    )
    if palette is not None:
        image.im.putpalette("RGB", "RGB", palette)
    image.load_prepare = lambda: None  # type: ignore[method-assign]
    try:
        image.load()
    except OSError:
        image.tile = []
    return image


def _equal_rows(image: Image.Image, other: Image.Image) -> NDArray[np.bool_]:
    """Compares the rows of two images of one size and mode, (height,)."""
    is_equal = np.empty(image.height, np.bool_)
    for top in range(0, image.height, STRIP_ROWS):  # no copies of whole images
        box = (0, top, image.width, min(top + STRIP_ROWS, image.height))
        first, second = np.asarray(image.crop(box)), np.asarray(other.crop(box))
        is_equal[top : box[3]] = (first == second).reshape(len(first), -1).all(axis=1)
    return is_equal


def _checked(image: ImageFile.ImageFile, top: int, bottom: int, min_share: float) -> LoadedImage:
    if bottom - top < min_share * image.height:
        raise OSError(f"only {bottom - top} of {image.height} rows are there")
    return LoadedImage(image, (0, top, image.width, bottom), is_cut_off=True)
