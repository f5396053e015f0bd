"""Fashion-MNIST: 70,000 Zalando product images of 28 x 28 pixels (Xiao et al. 2017, arXiv:1708.07747)."""

import gzip
import hashlib
import io
import logging
import shutil
import subprocess
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

log = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]

CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
NUM_TRAIN, NUM_TEST = 60_000, 10_000
IMAGE_SIDE_PX = 112
JPEG_QUALITY = 90

# SHA-256 of the decompressed files: Debian repacks the gzip, the IDX content is the authors' own.
CONTENT_SHA256 = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
MAX_FILE_BYTES = 64 * 1024 * 1024
APT_TIMEOUT_S = 300.0
HTTP_TIMEOUT_S = 60.0


class DamagedFileError(ValueError):
    """A file whose content differs from the data set's."""


class DataUnavailableError(RuntimeError):
    """The data set is not available from any of its three sources; the message names them all."""


@dataclass(frozen=True, kw_only=True)
class DataSources:
    """Sources of the data set, in the order in which they are tried."""

    installed: Path = Path("/usr/share/datasets/fashion-mnist")
    package: str = "dataset-fashion-mnist"
    address: str = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"


@dataclass(frozen=True, kw_only=True, eq=False)
class FashionMnist:
    """The official training and test set; images 0 to 59,999 are the former, 60,000 to 69,999 the latter."""

    train_images: Pixels  # (60000, 28, 28), white on black
    train_labels: Pixels  # (60000,), an index into CLASSES
    test_images: Pixels  # (10000, 28, 28)
    test_labels: Pixels  # (10000,)

    def image(self, number: int) -> Pixels:
        """Returns an image, (28, 28), by its number over both sets."""
        pixels: Pixels = self.train_images[number] if number < NUM_TRAIN else self.test_images[number - NUM_TRAIN]
        return pixels

    def label(self, number: int) -> int:
        """Returns an image's class, an index into CLASSES, by its number over both sets."""
        return int(self.train_labels[number] if number < NUM_TRAIN else self.test_labels[number - NUM_TRAIN])


def load(cache: Path = Path(".data"), sources: DataSources | None = None) -> FashionMnist:
    """Loads the data set from the first source that has it completely; fetched files are cached below `cache`.

    Every file's content is checked against its SHA-256 on every call: a damaged copy is refetched, never used.

    Raises:
        DataUnavailableError: no source has it.
    """
    sources = sources or DataSources()
    cached = cache / "fashion-mnist"
    if cached.is_dir():
        try:
            return _read(cached)
        except (OSError, DamagedFileError) as error:
            log.warning("the copy in %s is damaged (%s); refetching Fashion-MNIST", cached, error)
    ways: dict[str, Callable[[], FashionMnist]] = {
        f"install Debian's package (`apt-get install {sources.package}`, which fills {sources.installed})": (
            lambda: _read(sources.installed)
        ),
        f"let `apt-get download {sources.package}` reach Debian's or Ubuntu's archive; it needs no root": (
            lambda: _from_package(sources.package, cached)
        ),
        f"let this machine reach {sources.address}": lambda: _from_address(sources.address, cached),
    }
    refusals = []
    for way, read in ways.items():
        try:
            return read()
        except (OSError, HTTPException, DamagedFileError, subprocess.SubprocessError) as error:
            refusals.append(f"{way}; now: {error}")
    numbered = "\n".join(f"  {number}. {refusal}" for number, refusal in enumerate(refusals, start=1))
    raise DataUnavailableError(f"Fashion-MNIST is in none of its three sources. Any one of these helps:\n{numbered}")


def render(image28: Pixels) -> bytes:
    """Renders a product image as a shop serves it: 112 x 112 gray JPEG, dark on white.

    Fashion-MNIST images are negatives; inverting them restores the white background.
    """
    return encode_jpeg(image28, quality=JPEG_QUALITY)


def encode_jpeg(image28: Pixels, *, quality: int) -> bytes:
    """Renders an image with a JPEG quality from 1 to 95."""
    side = (IMAGE_SIDE_PX, IMAGE_SIDE_PX)
    encoded = io.BytesIO()
    Image.fromarray(255 - image28).resize(side, Image.Resampling.LANCZOS).save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


def _read(folder: Path) -> FashionMnist:
    """Reads the four files of a folder as arrays; raises FileNotFoundError or DamagedFileError."""
    content = {name: _checked((folder / name).read_bytes(), folder / name) for name in CONTENT_SHA256}
    train_images, train_labels, test_images, test_labels = (_idx(content[name]) for name in CONTENT_SHA256)
    return FashionMnist(
        train_images=train_images, train_labels=train_labels, test_images=test_images, test_labels=test_labels
    )


def _idx(content: bytes) -> Pixels:
    """Parses an IDX file of unsigned bytes: two zeros, the type 8, the number of axes, the lengths, the values."""
    num_axes = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=num_axes, offset=4).astype(int)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * num_axes).reshape(shape)


def _checked(compressed: bytes, path: Path) -> bytes:
    try:
        with gzip.open(io.BytesIO(compressed)) as file:  # bounded: plain http can return anything
            content = file.read(MAX_FILE_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError(f"{path} is not a complete gzip file: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != CONTENT_SHA256[path.name]:
        raise DamagedFileError(f"{path} has SHA-256 {digest}, expected {CONTENT_SHA256[path.name]}")
    return content


def _from_package(package: str, cached: Path) -> FashionMnist:
    with _folder_beside(cached) as work:
        deb = _download_package(package, work)
        _command(["dpkg", "-x", str(deb), str(work / "unpacked")], work)
        return _keep(work / "unpacked/usr/share/datasets/fashion-mnist", cached)


def _download_package(package: str, work: Path) -> Path:
    """Downloads the .deb file, with private package lists, which need no root, if the machine's lack it."""
    log.info("downloading %s (31 MB) with apt-get", package)
    try:
        _command(["apt-get", "download", package], work)
    except subprocess.SubprocessError as error:
        log.info("%s; retrying with private package lists", error)
        private = [
            f"Dir::State::lists={work / 'lists'}",
            f"Dir::Cache={work / 'cache'}",
            "APT::Sandbox::User=root",
        ]
        options = [word for option in private for word in ("-o", option)]
        for folder in ("lists/partial", "cache/archives/partial"):
            (work / folder).mkdir(parents=True)
        _command(["apt-get", *options, "update"], work)
        _command(["apt-get", *options, "download", package], work)
    debs = sorted(work.glob("*.deb"))
    if not debs:
        raise FileNotFoundError(f"apt-get reported success for {package} but left no .deb file")
    return debs[0]


def _command(words: list[str], folder: Path) -> None:
    """Runs a program to its end; the last line of its stderr becomes the error's message."""
    program = shutil.which(words[0])
    if program is None:
        raise FileNotFoundError(f"{words[0]} is not installed")
    done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
        [program, *words[1:]], cwd=folder, capture_output=True, text=True, timeout=APT_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        complaint = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise subprocess.SubprocessError(f"`{words[0]} ... {words[-1]}` ended with {done.returncode}: {complaint}")


def _from_address(address: str, cached: Path) -> FashionMnist:
    with _folder_beside(cached) as work:
        for name in CONTENT_SHA256:
            log.info("downloading %s%s", address, name)
            with urllib.request.urlopen(address + name, timeout=HTTP_TIMEOUT_S) as response:  # noqa: S310 - a fixed scheme
                (work / name).write_bytes(response.read(MAX_FILE_BYTES))
        return _keep(work, cached)


@contextmanager
def _folder_beside(cached: Path) -> Iterator[Path]:
    """Yields a temporary folder on the cache's disk, so that storing a file is one rename."""
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fashion-mnist-", dir=cached.parent) as work:
        yield Path(work).absolute()


def _keep(fetched: Path, cached: Path) -> FashionMnist:
    """Moves the four files into the cache after checking their content."""
    data = _read(fetched)
    cached.mkdir(exist_ok=True)
    for name in CONTENT_SHA256:
        (fetched / name).replace(cached / name)
    return data
