"""Images for the duplicates benchmark: real photographs, and edited copies as shops produce them."""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

NUM_SOURCES, NUM_OTHERS = 600, 3_000

Change = Callable[[Image.Image], Image.Image]


def _crop(share: float) -> Change:
    return lambda image: ImageOps.crop(image, (round(share * image.width / 2), round(share * image.height / 2)) * 2)


def _border(share: float) -> Change:
    return lambda image: ImageOps.expand(image, round(share * min(image.size)), "white")


def _resize(scale: float) -> Change:
    return lambda image: image.resize((round(scale * image.width), round(scale * image.height)))


def _brighten(factor: float) -> Change:
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def _same(image: Image.Image) -> Image.Image:
    return image


# The edit of an image and the JPEG quality of the copy.
COPIES: Mapping[str, tuple[Change, int]] = {
    **{f"quality {quality}": (_same, quality) for quality in (95, 70, 50, 30)},
    **{f"size {scale}": (_resize(scale), 90) for scale in (0.5, 0.75, 1.5)},
    **{f"brightness {factor}": (_brighten(factor), 90) for factor in (0.9, 0.95, 1.05, 1.1)},
    **{f"crop {share:.0%}": (_crop(share), 90) for share in (0.02, 0.05, 0.1)},
    **{f"border {share:.0%}": (_border(share), 90) for share in (0.02, 0.05, 0.1)},
}


def write_images(photographs: Path, folder: Path) -> None:
    """Writes `NAME~original.jpg` for sources and others, and `NAME~KIND.jpg` for each copy of a source."""
    files = sorted((photographs / "images").glob("*.jpg"))[: NUM_SOURCES + NUM_OTHERS]
    step = len(files) // NUM_SOURCES
    for number, file in enumerate(files):
        (folder / f"{file.stem}~original.jpg").write_bytes(file.read_bytes())
        if number % step:
            continue
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        for kind, (change, quality) in COPIES.items():
            encoded = BytesIO()
            change(image).save(encoded, "JPEG", quality=quality)
            (folder / f"{file.stem}~{kind}.jpg").write_bytes(encoded.getvalue())
