"""Images and bodies made to fill memory: a download of nothing else takes no more than its limits let it."""

import json
import subprocess
import sys
from collections.abc import Iterator

import polars as pl
import pytest
from PIL import Image

from catalog.images.decoder_limits import decoder_bytes
from catalog.images.stored_image import ImageRules
from tests.catalog.download.raw_server import RawServer, Reply, response
from tests.catalog.images.sample_images import encoded
from tests.conftest import REPOSITORY
from tests.faults.dirty.profiles import P3, press_profile
from tests.faults.images import bombs
from tests.faults.responses import bodies

SIDE_PX = 7_000  # 49 million pixels: the most that is taken
MAX_DECODER_BYTES = decoder_bytes(ImageRules())  # by which decoders are counted
MAX_BYTES_ITSELF = 700_000_000
COPIES = 3  # of everything, so that it meets itself


def largest() -> Iterator[bytes]:
    """Images as large as they may be, in few bytes."""
    for mode, file_format in (("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "GIF")):
        yield encoded(halved(mode), file_format)
    yield encoded(halved("RGBA"), "WEBP", method=0)  # the fastest
    yield encoded(halved("RGB"), "JPEG", progressive=True)
    yield encoded(halved("RGBA"), "TIFF", compression="tiff_deflate")
    yield encoded(halved("F"), "TIFF", compression="tiff_deflate")
    yield encoded(halved("RGBA"), "PNG", icc_profile=P3)
    yield encoded(halved("CMYK"), icc_profile=press_profile())
    yield encoded(halved("RGBA"), "PNG")[:-20]  # cut off: decoded twice
    yield encoded(halved("RGB"))[:-20]
    yield encoded(halved("RGBA", 5_000), "JPEG2000")  # may have half as many pixels


def halved(mode: str, side: int = SIDE_PX) -> Image.Image:
    """An image of two colors; one of a single color would not be stored."""
    image = Image.new("RGB", (side, side))
    image.paste((200, 190, 180), (0, 0, side, side // 2))
    return image.quantize(4) if mode == "P" else image.convert(mode)  # undithered: few bytes


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a process's own peak is measured otherwise elsewhere")


@pytest.fixture(scope="module")
def peaks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    place = tmp_path_factory.mktemp("memory")
    replies = [each.reply for each in (*bombs(), *bodies()) if each.reply is not None]
    images = list(largest())
    replies += [lambda data=data: [response("200 OK", data)] for data in images]

    def reply(path: str) -> Reply:
        return replies[int(path.rpartition("/")[2])]()

    with RawServer(reply) as server:
        links = [f"{server.url}/{copy}/{index}" for copy in range(COPIES) for index in range(len(replies))]
        pl.DataFrame({"product_id": links, "image_url": links}).write_parquet(place / "products.parquet")
        command = [sys.executable, "-m", "tests.faults.weigh_download", str(place / "products.parquet")]
        ended = subprocess.run([*command, str(place / "store")], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
    peaks = dict(json.loads(ended.stdout))
    assert peaks["num_ok"] >= COPIES * len(images)  # the peaks are theirs
    return peaks


def test_a_decoder_takes_no_more_than_the_largest_image_warrants(peaks: dict[str, int]) -> None:
    assert peaks["largest_decoder"] < MAX_DECODER_BYTES


def test_the_download_itself_takes_no_more_than_the_bodies_on_their_way_warrant(peaks: dict[str, int]) -> None:
    assert peaks["itself"] < MAX_BYTES_ITSELF
