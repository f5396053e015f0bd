"""The structure of JPEGs: scans are counted without decoding, and only plain ones are stored as they came."""

from io import BytesIO

import pytest
from PIL import Image

from catalog.images.decoding import decode
from catalog.images.jpeg_structure import MAX_SCANS, has_too_many_scans, is_plain, jpeg_structure
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage
from tests.catalog.images.sample_images import encoded, jpeg, sample_image

RULES = ImageRules()
PROGRESSIVE = encoded(sample_image(), progressive=True)


def with_scans(num: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A progressive JPEG whose last scan comes so many times in all."""
    data = encoded(sample_image(*size), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (num - jpeg_structure(data).num_scans + 1) + b"\xff\xd9"


def sequential_with_scans(num: int) -> bytes:
    """A sequential JPEG whose only scan comes again and again."""
    data = jpeg()
    scan = data.rindex(b"\xff\xda")
    return data[:scan] + data[scan:-2] * num + b"\xff\xd9"


NOT_PLAIN = {
    "progressive": PROGRESSIVE,
    "gray progressive": encoded(sample_image(mode="L"), progressive=True),
    "progressive of as many scans as are allowed": with_scans(MAX_SCANS),
    "with a ZIP behind it": jpeg() + b"PK\3\4" + bytes(100),
    "with another JPEG behind it": jpeg() + jpeg(seed=1),
    "with a byte behind it": jpeg() + b"\0",
}


def test_the_scans_that_encoders_write_are_counted() -> None:
    assert jpeg_structure(jpeg()).num_scans == 1
    assert jpeg_structure(PROGRESSIVE).num_scans == 10
    assert jpeg_structure(encoded(sample_image(mode="L"), progressive=True)).num_scans == 6
    assert jpeg_structure(encoded(sample_image(), restart_marker_blocks=1)).num_scans == 1
    assert jpeg_structure(with_scans(50)).num_scans == 50


def test_a_preview_within_the_metadata_is_not_counted() -> None:
    data = encoded(sample_image(), exif=b"Exif\0\0" + PROGRESSIVE * 10)
    assert data.count(b"\xff\xda") > MAX_SCANS
    assert not has_too_many_scans(data)
    assert isinstance(decode(data, RULES), StoredImage)


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_is_not_plain_is_encoded_anew(name: str) -> None:
    image = decode(NOT_PLAIN[name], RULES)
    assert not is_plain(NOT_PLAIN[name])
    assert isinstance(image, StoredImage)
    assert image.data != NOT_PLAIN[name]
    assert is_plain(image.data)
    with Image.open(BytesIO(image.data)) as stored:
        assert "progressive" not in stored.info


@pytest.mark.parametrize(
    "data",
    [
        with_scans(MAX_SCANS + 1),
        with_scans(300),
        with_scans(300, (2_000, 2_000)),
        sequential_with_scans(MAX_SCANS + 1),
        jpeg()[:2] + b"\xff\xfe\0\2" * 5_000 + b"\xff\xda" * 70 + jpeg()[2:],
    ],
)
def test_more_scans_than_encoders_write_are_refused_before_they_are_decoded(data: bytes) -> None:
    assert has_too_many_scans(data)
    assert decode(data, RULES) is Status.CORRUPT


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xc0\0"]
)
def test_the_structure_of_a_fragment_has_no_end(data: bytes) -> None:
    assert jpeg_structure(data).num_bytes is None
    assert not is_plain(data)
