"""Any bytes become an upright small JPEG or a status, never an exception."""

import hashlib
import warnings
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from catalog.images.decoding import ImageRules, StoredImage, decode, dhash
from catalog.images.statuses import Status
from demo.faults import bomb
from tests.catalog.images.sample_images import encoded, jpeg, pixels, sample_image

RULES = ImageRules()
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "BMP", "JPEG2000")


def decoded(data: bytes, rules: ImageRules = RULES) -> StoredImage:
    image = decode(data, rules)
    assert isinstance(image, StoredImage), image
    return image


def difference(shown: bytes, wanted: Image.Image) -> float:
    """The mean difference of two images of one size, in gray levels of 255."""
    target = np.asarray(wanted.convert("RGB")).astype(np.int32)
    assert pixels(shown).shape == target.shape
    return float(np.abs(pixels(shown) - target).mean())


def test_small_upright_plain_jpeg_is_stored_byte_for_byte() -> None:
    for data in (
        jpeg(64, 48),
        encoded(sample_image(mode="L")),
        encoded(sample_image(256, 900)),
        encoded(sample_image(), restart_marker_rows=1),
        encoded(sample_image(), comment=b"a comment", icc_profile=b"a profile"),
    ):
        image = decoded(data)
        assert image.data == data
        assert image.sha256 == hashlib.sha256(data).hexdigest()
        assert (image.height, image.width) == pixels(data).shape[:2]


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_is_recognized_and_stored_as_jpeg(file_format: str) -> None:
    source = sample_image()
    image = decoded(encoded(source, file_format))
    with Image.open(BytesIO(image.data)) as stored:
        assert (stored.format, stored.mode) == ("JPEG", "RGB")
    assert difference(image.data, source) < 6


@pytest.mark.parametrize("size", [(512, 1024), (1024, 512), (1600, 1200), (400, 533), (257, 9000)])
def test_short_side_is_as_configured_and_the_aspect_ratio_is_kept(size: tuple[int, int]) -> None:
    source = sample_image(*size)
    image = decoded(encoded(source, quality=95))
    assert min(image.width, image.height) == 256
    assert image.width / image.height == pytest.approx(size[0] / size[1], rel=0.01)
    exact = source.resize((image.width, image.height), Image.Resampling.LANCZOS)
    assert difference(image.data, exact) < 3


def test_the_default_rules_store_the_same_bytes_in_every_version() -> None:
    source = np.add.outer(np.arange(400) // 2, np.arange(600) // 3).astype(np.uint8)
    png = encoded(Image.fromarray(np.stack([source, source[::-1], 255 - source], axis=2)), "PNG")
    image = decoded(png, ImageRules(max_pixels=50_000_000, short_side_px=256, quality=90))
    assert image == decoded(png, ImageRules())
    assert image.sha256 == "6b67b9f65f5fef940a2bb0f57a63399ef87a2041fc1df441ae44a060dcb93e76"


@pytest.mark.parametrize("short_side_px", [32, 300, 512])
def test_an_image_records_the_limit_that_it_was_stored_with(short_side_px: int) -> None:
    image = decoded(jpeg(600, 400), ImageRules(short_side_px=short_side_px))
    assert image.short_side_limit_px == short_side_px
    assert min(image.width, image.height) == min(400, short_side_px)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright_as_pillow_does(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(sample_image(96, 64), file_format, exif=exif)
    with Image.open(BytesIO(data)) as opened:
        upright = ImageOps.exif_transpose(opened)
    assert difference(decoded(data).data, upright) < 4


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\xff" * 40])
def test_damaged_exif_means_upright(exif: bytes) -> None:
    data = encoded(sample_image(), exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's reader, as in production
        assert decoded(data).data == data


def test_transparent_images_get_a_white_background() -> None:
    source = sample_image(mode="RGBA")
    source.putalpha(Image.linear_gradient("L").resize(source.size))
    white = Image.new("RGBA", source.size, "white")
    flat = Image.alpha_composite(white, source)
    for file_format in ("PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if file_format == "WEBP" else {}
        assert difference(decoded(encoded(source, file_format, **options)).data, flat) < 4


def test_transparent_colors_of_palette_gray_and_rgb_pngs_become_white() -> None:
    black = Image.new("RGB", (64, 32), "black")
    black.paste((200, 200, 200), (0, 0, 32, 32))
    for mode, transparent in (("P", 0), ("L", 0), ("RGB", (0, 0, 0))):
        data = encoded(black.quantize(2) if mode == "P" else black.convert(mode), "PNG", transparency=transparent)
        shown = pixels(decoded(data).data)
        assert shown[:, 40:].min() >= 250 or shown[:, :24].min() >= 250


def test_cmyk_and_palette_become_rgb() -> None:
    for source, file_format in (
        (sample_image(mode="CMYK"), "JPEG"),
        (sample_image(mode="CMYK"), "TIFF"),
        (sample_image().quantize(64), "PNG"),
    ):
        image = decoded(encoded(source, file_format))
        assert difference(image.data, source) < 6
        with Image.open(BytesIO(image.data)) as stored:
            assert stored.mode == "RGB"


def test_sixteen_bits_and_one_bit_stay_gray() -> None:
    ramp = np.linspace(0, 65_535, 64 * 48).reshape(48, 64).astype(np.uint16)
    image = decoded(encoded(Image.fromarray(ramp), "PNG"))
    assert np.abs(pixels(image.data)[..., 0] - ramp // 257).max() < 4
    assert difference(decoded(encoded(sample_image(mode="1"), "PNG")).data, sample_image(mode="1")) < 12


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_frame_of_an_animation_is_stored(file_format: str) -> None:
    frames = [sample_image(seed=seed) for seed in (1, 2, 3)]
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
    assert difference(decoded(data).data, frames[0]) < 6


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_truncated_image_is_corrupt(file_format: str, quarter: int) -> None:
    data = encoded(sample_image(200, 150), file_format)
    assert decode(data[: len(data) * quarter // 4], RULES) is Status.CORRUPT


def test_progressive_jpeg_that_was_cut_off_shows_every_row_less_sharply() -> None:
    source = sample_image(200, 150)
    data = encoded(source, progressive=True)
    assert difference(decoded(data[: len(data) * 3 // 4]).data, source) < 8


def test_the_share_of_rows_that_an_image_needs_is_a_rule() -> None:
    data = encoded(sample_image(200, 150))
    for kept in (0.4, 0.6):
        accepted = [
            isinstance(decode(data[: round(kept * len(data))], ImageRules(min_decoded_share=share)), StoredImage)
            for share in (0.1, 0.9, 1.0)
        ]
        assert accepted == [True, False, False]
    assert isinstance(decode(data[:-2], ImageRules(min_decoded_share=1.0)), StoredImage)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"<!doctype html><title>Sorry</title>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"%PDF-1.7 ...",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"P6 64 64 255 ",
        encoded(sample_image(), "ICO"),
        encoded(sample_image(), "PPM"),
    ],
)
def test_other_files_are_not_an_image(data: bytes) -> None:
    assert decode(data, RULES) is Status.NOT_AN_IMAGE


def test_bomb_is_refused_by_its_header_without_a_warning() -> None:
    assert decode(bomb(), RULES) is Status.TOO_LARGE
    header_only = bomb()[:64]
    assert decode(header_only, RULES) is Status.TOO_LARGE


def test_gif_that_declares_a_huge_screen_is_too_large() -> None:
    data = bytearray(encoded(sample_image(), "GIF"))
    data[6:10] = b"\xff\xff\xff\xff"
    assert decode(bytes(data), RULES) is Status.TOO_LARGE


def test_limits_of_size_are_exact_to_the_pixel() -> None:
    assert decode(jpeg(100, 100), ImageRules(max_pixels=9_999)) is Status.TOO_LARGE
    assert isinstance(decode(jpeg(100, 100), ImageRules(max_pixels=10_000)), StoredImage)
    assert decode(jpeg(100, 15), RULES) is Status.TOO_SMALL
    assert isinstance(decode(jpeg(100, 16), RULES), StoredImage)
    assert decode(encoded(Image.new("1", (70_000, 20)), "PNG"), RULES) is Status.TOO_LARGE


def test_dhash_is_that_of_a_plain_loop() -> None:
    for seed in range(10):
        source = sample_image(200, 150, seed=seed)
        cells = source.convert("L").resize((9, 8), Image.Resampling.BOX)
        wanted = 0
        for y in range(8):
            for x in range(8):
                wanted = wanted << 1 | (cells.getpixel((x + 1, y)) > cells.getpixel((x, y)))
        assert dhash(source) == wanted


def test_dhash_survives_resizing_and_recompression() -> None:
    sources = [sample_image(400, 300, seed=seed) for seed in range(20)]
    hashes = [decoded(encoded(source, quality=95)).dhash for source in sources]
    again = [decoded(encoded(source.resize((200, 150)), quality=50)).dhash for source in sources]
    assert max((one ^ other).bit_count() for one, other in zip(hashes, again, strict=True)) <= 4
    assert min((one ^ other).bit_count() for one in hashes for other in hashes if one != other) > 4
    assert len(set(hashes)) == len(hashes)


def test_no_metadata_is_copied_into_a_resized_image() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret note"
    data = encoded(sample_image(600, 400), exif=exif, comment=b"a secret comment", icc_profile=b"a secret profile")
    assert b"secret" in data
    assert b"secret" not in decoded(data).data


SOURCES = {file_format: encoded(sample_image(48, 40), file_format) for file_format in FORMATS}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damage_anywhere_yields_an_image_or_a_status(file_format: str, data: st.DataObject) -> None:
    damaged = bytearray(SOURCES[file_format])
    for position in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=12)):
        damaged[position] = data.draw(st.integers(0, 255))
    result = decode(bytes(damaged), RULES)
    if isinstance(result, StoredImage):
        assert pixels(result.data).shape[:2] == (result.height, result.width)
    else:
        assert not result.retryable
