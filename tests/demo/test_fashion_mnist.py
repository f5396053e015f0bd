"""Fashion-MNIST comes from three places, whole or not at all."""

import functools
import gzip
import hashlib
import io
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.fashion_mnist import (
    CONTENT_SHA256,
    IMAGE_SIDE_PX,
    DataSources,
    DataUnavailableError,
    FashionMnist,
    load,
    render,
)

CACHE = Path(__file__).parents[2] / ".data"
LABELS = "t10k-labels-idx1-ubyte.gz"
NOWHERE = DataSources(installed=Path("/nonexistent"), package="no-such-data-set", address="http://127.0.0.1:9/")


@pytest.fixture(scope="session")
def true_files(fashion_mnist: FashionMnist) -> Path:
    """A folder with the four official files, wherever this machine has them."""
    sources = [CACHE / "fashion-mnist", DataSources().installed]
    return next(folder for folder in sources if (folder / LABELS).exists())


@pytest.fixture
def without_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))


@pytest.fixture
def website(true_files: Path) -> Iterator[str]:
    """The official address, as far as HTTP can tell."""
    handler = functools.partial(QuietHandler, directory=str(true_files))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Requests are no news in a test."""


def folder_with(files: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in CONTENT_SHA256:
        shutil.copy(files / name, folder / name)
    return folder


def flip_a_bit(path: Path) -> None:
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))


def test_the_data_set_is_sixty_and_ten_thousand_images_of_ten_even_classes(
    fashion_mnist: FashionMnist,
) -> None:
    assert fashion_mnist.train_images.shape == (60_000, 28, 28)
    assert fashion_mnist.test_images.shape == (10_000, 28, 28)
    assert np.bincount(fashion_mnist.train_labels).tolist() == [6_000] * 10
    assert np.bincount(fashion_mnist.test_labels).tolist() == [1_000] * 10


def test_an_image_number_runs_through_both_sets(fashion_mnist: FashionMnist) -> None:
    assert np.array_equal(fashion_mnist.image(59_999), fashion_mnist.train_images[-1])
    assert np.array_equal(fashion_mnist.image(60_000), fashion_mnist.test_images[0])
    assert fashion_mnist.label(60_000) == fashion_mnist.test_labels[0]


def test_an_installed_package_is_read_in_place(true_files: Path, tmp_path: Path) -> None:
    installed = DataSources(installed=true_files, package=NOWHERE.package, address=NOWHERE.address)
    load(tmp_path / "cache", installed)
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("without_apt")
def test_the_official_address_fills_the_cache_once(website: str, tmp_path: Path) -> None:
    sources = DataSources(installed=NOWHERE.installed, address=website)
    load(tmp_path, sources)
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == sorted(CONTENT_SHA256)
    load(tmp_path, NOWHERE)  # from the cache alone


@pytest.mark.usefixtures("without_apt")
@pytest.mark.parametrize("damage", [flip_a_bit, lambda path: path.write_bytes(path.read_bytes()[:999]), Path.unlink])
def test_a_damaged_cache_is_noticed_and_fetched_again(
    damage: Callable[[Path], object], website: str, true_files: Path, tmp_path: Path
) -> None:
    cached = folder_with(true_files, tmp_path / "fashion-mnist")
    damage(cached / LABELS)
    load(tmp_path, DataSources(installed=NOWHERE.installed, address=website))
    content = gzip.decompress((cached / LABELS).read_bytes())
    assert hashlib.sha256(content).hexdigest() == CONTENT_SHA256[LABELS]


@pytest.mark.usefixtures("without_apt")
def test_a_damaged_cache_is_refused_where_nothing_replaces_it(true_files: Path, tmp_path: Path) -> None:
    cached = folder_with(true_files, tmp_path / "fashion-mnist")
    flip_a_bit(cached / LABELS)
    with pytest.raises(DataUnavailableError):
        load(tmp_path, NOWHERE)


@pytest.mark.usefixtures("without_apt")
def test_a_wrong_file_at_the_address_leaves_nothing_in_the_cache(true_files: Path, tmp_path: Path) -> None:
    served = folder_with(true_files, tmp_path / "served")
    flip_a_bit(served / LABELS)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(served))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        with pytest.raises(DataUnavailableError, match=f"{LABELS} has SHA-256 [0-9a-f]+, expected"):
            load(tmp_path / "cache", DataSources(installed=NOWHERE.installed, address=address))
        server.shutdown()
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("without_apt")
def test_the_error_names_all_three_places_and_why_each_failed(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError) as raised:
        load(tmp_path, DataSources(installed=NOWHERE.installed, address=NOWHERE.address))
    message = str(raised.value)
    assert "1. install Debian's package (`apt-get install dataset-fashion-mnist`" in message
    assert "2. let `apt-get download dataset-fashion-mnist`" in message
    assert "apt-get is not installed" in message
    assert f"3. let this machine reach {NOWHERE.address}" in message
    assert "Connection refused" in message


@pytest.mark.skipif(not shutil.which("dpkg-deb") or not shutil.which("apt-get"), reason="needs apt-get and dpkg-deb")
def test_the_package_comes_without_root_though_the_package_lists_are_empty(
    true_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APT_CONFIG", str(archive_of(true_files, tmp_path / "archive")))
    load(tmp_path / "cache", DataSources(installed=NOWHERE.installed, address=NOWHERE.address))
    cached = tmp_path / "cache/fashion-mnist"
    assert [folder.name for folder in (tmp_path / "cache").iterdir()] == ["fashion-mnist"]
    assert {file.name for file in cached.iterdir()} == set(CONTENT_SHA256)


def archive_of(files: Path, folder: Path) -> Path:
    """A Debian archive on disk that holds the package, and the configuration of an apt that never saw it."""
    tree = folder / "tree"
    folder_with(files, tree / "usr/share/datasets/fashion-mnist")
    (tree / "DEBIAN").mkdir()
    fields = "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\nMaintainer: none\nDescription: none\n"
    (tree / "DEBIAN/control").write_text(fields)
    deb = folder / "package.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--build", str(tree), str(deb)], check=True, capture_output=True)
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    located = f"Filename: ./package.deb\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n"
    (folder / "Packages").write_text(fields + located)
    (folder / "sources.list").write_text(f"deb [trusted=yes] file:{folder} ./\n")
    (folder / "lists").mkdir()
    config = folder / "apt.conf"
    config.write_text(
        f'Dir::Etc::sourcelist "{folder}/sources.list";\n'
        'Dir::Etc::sourceparts "-";\n'
        f'Dir::State::lists "{folder}/lists";\n'
    )
    return config


def test_a_rendered_image_is_dark_on_white_at_the_shop_s_size(fashion_mnist: FashionMnist) -> None:
    image28 = fashion_mnist.image(0)
    with Image.open(io.BytesIO(render(image28))) as image:
        assert (image.format, image.size) == ("JPEG", (IMAGE_SIDE_PX, IMAGE_SIDE_PX))
        pixels = np.asarray(image)
    assert pixels[0].min() > 245  # the edge of this image is background
    shrunk = pixels.reshape(28, 4, 28, 4).mean(axis=(1, 3))
    assert np.abs(shrunk - (255.0 - image28)).mean() < 12
