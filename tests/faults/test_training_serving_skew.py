"""Training, `classify` and serving do not differ: every image has the same pixels, or the same status, in each.

The served model runs in a process in which this project is not installed, with the code that was saved with it.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catalog.download.settings import FetchSettings
from catalog.images.decoding import decode
from catalog.images.stored_image import ImageRules, StoredImage
from ml.deployment.deployment import METADATA_FILE
from ml.file_digests import file_sha256
from ml.pixels import FORMATS, decode_pixels
from tests.catalog.images.sample_images import encoded, sample_image
from tests.conftest import REPOSITORY
from tests.faults.dirty.image_cases import IMAGE_CASES
from tests.faults.images import images
from tests.faults.served_decoding import ODD

RULES = ImageRules(
    short_side_px=96, quality=80, max_pixels=40_000_000
)  # others than the default: they are shipped, too
FIT = "pad"


def rotated(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def unlike_training() -> Iterator[tuple[str, bytes]]:
    """Images that a plain `Image.open(...).convert("RGB")` reads otherwise than the download does."""
    source = sample_image(150, 120)
    fading = sample_image(150, 120, mode="RGBA")
    fading.putalpha(Image.linear_gradient("L").resize(fading.size))
    frames = [sample_image(seed=seed) for seed in (1, 2, 3)]
    ramp = np.linspace(0, 65_535, 150 * 120).reshape(120, 150).astype(np.uint16)
    yield "transparent PNG", encoded(fading, "PNG")
    yield "transparent WebP", encoded(fading, "WEBP", lossless=True)
    yield "transparent TIFF", encoded(fading, "TIFF")
    yield "gray PNG with alpha", encoded(fading.convert("LA"), "PNG")
    yield "palette PNG with a transparent color", encoded(source.quantize(16), "PNG", transparency=3)
    yield "RGB PNG with a transparent color", encoded(Image.new("RGB", (50, 50)), "PNG", transparency=(0, 0, 0))
    yield "palette PNG", encoded(source.quantize(64), "PNG")
    yield "palette GIF", encoded(source.quantize(64), "GIF")
    for orientation in range(2, 9):
        yield f"JPEG of orientation {orientation}", encoded(source, exif=rotated(orientation))
    yield "rotated PNG", encoded(source, "PNG", exif=rotated(6))
    yield "rotated WebP", encoded(source, "WEBP", exif=rotated(8))
    yield "rotated TIFF", encoded(source, "TIFF", exif=rotated(3))
    yield "gray PNG of 16 bits", encoded(Image.fromarray(ramp), "PNG")
    yield "gray TIFF of 16 bits", encoded(Image.fromarray(ramp), "TIFF")
    yield "gray TIFF of 32 bits", encoded(Image.fromarray(ramp.astype(np.int32)), "TIFF")
    yield "bilevel PNG", encoded(source.convert("1"), "PNG")
    yield "CMYK JPEG", encoded(source.convert("CMYK"))
    yield "CMYK TIFF", encoded(source.convert("CMYK"), "TIFF")
    yield "gray JPEG", encoded(source.convert("L"))
    yield "progressive JPEG", encoded(source, progressive=True)
    yield "JPEG that is reduced", encoded(sample_image(900, 700))
    yield "PNG that is reduced", encoded(sample_image(901, 703), "PNG")
    yield "plain JPEG", encoded(sample_image(90, 80))
    for file_format in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        animated = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
        yield f"animated {file_format}", animated
    yield "EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"
    yield "PPM", encoded(source, "PPM")
    yield "PNG that unpacks to a gigabyte", bomb_png(15_000, 15_000)


def bomb_png(width: int, height: int) -> bytes:
    """A correct PNG of one color."""
    return encoded(Image.new("1", (width, height)), "PNG")


def body(reply: Any) -> bytes:
    """The image in the response of a case of the fault suite."""
    return b"".join(reply()).partition(b"\r\n\r\n")[2]


CASES = {
    **{case.name: body(case.reply) for case in images()},
    **dict(unlike_training()),
    **{case.name: case.content() for case in IMAGE_CASES if not case.needs or find_spec(case.needs)},
}
NAMES = list(CASES)


@dataclass(frozen=True)
class Served:
    """The output of the served model: a row and, of an image that is ok, the pixels of each case."""

    pixels: dict[str, np.ndarray]
    statuses: dict[str, str]
    rows: dict[str, dict[str, Any]]
    odd: list[dict[str, Any]]
    places: list[str]
    modules: list[str]
    model: Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images, in files named by their order."""
    place = tmp_path_factory.mktemp("images")
    for number, data in enumerate(CASES.values()):
        (place / f"{number:04}").write_bytes(data)
    return place


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    from resources.mlflow.serving import save_served

    out = tmp_path_factory.mktemp("served")
    model = out / "model"
    save_served(deployed(out / "deployment"), "torch", model)
    script = REPOSITORY / "tests" / "faults" / "served_decoding.py"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(script), str(model), str(folder), str(out)]
    ended = subprocess.run(command, cwd=out, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result = json.loads((out / "rows.json").read_text())
    statuses = dict(zip(NAMES, result["statuses"], strict=True))
    readable = [name for name in NAMES if statuses[name] == "ok"]
    return Served(
        pixels=dict(zip(readable, np.load(out / "pixels.npy"), strict=True)),
        statuses=statuses,
        rows=dict(zip(NAMES, result["rows"], strict=True)),
        odd=result["odd"],
        places=result["places"],
        modules=result["modules"],
        model=model,
    )


def deployed(place: Path) -> Path:
    """A deployment of a random classifier in PyTorch alone, which takes no export."""
    from dataclasses import asdict

    from tests.ml.deployment.random_deployment import random_classifier

    classifier = random_classifier("flat")
    place.mkdir()
    classifier.save(place, {})
    facts = {
        "classifier": "random",
        "classifier_sha256": "0" * 64,
        "image_rules": asdict(RULES),
        "resolution": classifier.encoder.resolution,
        "fit": FIT,
        "level_ids": classifier.hierarchy.ids,
        "level_parents": classifier.hierarchy.parents,
        "temperature": 1.0,
        "thresholds": {"0.9": 0.5},
        "variant": "torch",
        "files": {file.name: file_sha256(file) for file in place.iterdir()},
    }
    (place / METADATA_FILE).write_text(json.dumps(facts))
    return place


@pytest.fixture(scope="module")
def classified(folder: Path) -> dict[str, tuple[str, bytes | None]]:
    """The status and the stored form of each image in `shelfsight classify`."""
    from shelfsight.cli.image_inputs import ImageInput
    from shelfsight.cli.image_loading import load_images

    inputs = [ImageInput(name, str(file)) for name, file in zip(NAMES, sorted(folder.iterdir()), strict=True)]
    settings = FetchSettings(
        short_side_px=RULES.short_side_px, quality=RULES.quality, max_pixels=RULES.max_pixels, num_decoders=1
    )

    async def load() -> dict[str, tuple[str, bytes | None]]:
        async with aclosing(load_images(inputs, settings)) as loaded:
            return {each.name: (str(each.status), each.data) async for each in loaded}

    return asyncio.run(load())


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as in production
@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_the_same_pixels_or_status_wherever_it_is_decoded(
    served: Served, classified: dict[str, tuple[str, bytes | None]], name: str
) -> None:
    stored = decode(CASES[name], RULES)
    row = served.rows[name]
    if isinstance(stored, StoredImage):
        side = served.pixels[name].shape[-1]
        assert served.statuses[name] == row["status"] == "ok"
        assert np.array_equal(served.pixels[name], decode_pixels([stored.data], side, fit=FIT)[0])
        assert classified[name] == ("ok", stored.data)
        assert row["leaf_id"] >= 0
    else:
        assert served.statuses[name] == row["status"] == classified[name][0] == stored
        assert (row["category_id"], row["leaf_id"], row["depth"]) == (-1, -1, 0)


@pytest.mark.parametrize("number", range(len(ODD)))
def test_a_value_that_is_no_image_is_a_row_with_a_reason(served: Served, number: int) -> None:
    assert served.odd[number]["status"] == "not_an_image"
    assert len(served.odd) == len(ODD) + 1


def test_it_decodes_with_the_code_that_was_saved_with_it(served: Served) -> None:
    assert all(place.startswith(str(served.model)) for place in served.places)
    assert "dagster" not in served.modules
    assert not any(name.startswith(("catalog.download", "catalog.feeds", "resources")) for name in served.modules)


def test_training_decodes_no_format_that_the_download_does_not() -> None:
    from catalog.images import opening

    assert {"JPEG"} < set(FORMATS) < set(opening.FORMATS)  # it reads stored images, which are JPEGs
    for name in ("EPS", "PPM"):
        with pytest.raises(ValueError, match="image 0 of 1 cannot be decoded"):
            decode_pixels([CASES[name]], 32)


@pytest.mark.parametrize("size", [(15_000, 15_000), (60_000, 1_000), (50_000_001, 1)])
def test_training_decodes_no_image_of_more_pixels_than_the_download_stores(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"more than 50,000,000|exceeds limit of"):
        decode_pixels([bomb_png(*size)], 32)
