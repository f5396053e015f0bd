"""`shelfsight classify` over many images: in order, in batches, and a bad one is a row with its status."""

import csv
import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from resources.images import StoredImages
from resources.store import Store
from shelfsight.cli.command import main
from tests.catalog_assets.delivering import website
from tests.conftest import TinyCatalog
from tests.patience import PATIENCE_S

LOOPBACK = "127.0.0.1/32"


@pytest.fixture(scope="module")
def photos(tiny_catalog: TinyCatalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 100 images of the catalog, which is more than a batch."""
    store = Store(root=str(tiny_catalog.root))
    rows = store.scan("dataset").head(100).collect()
    folder = tmp_path_factory.mktemp("photos") / "images"
    folder.mkdir()
    for number, content in enumerate(StoredImages(store=store).read(rows)):
        (folder / f"{number:03}.jpg").write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def _environment(tiny_catalog: TinyCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_STORE", str(tiny_catalog.root))
    monkeypatch.delenv("SHELFSIGHT_ALLOWED_NETWORKS", raising=False)


def classified(capsys: pytest.CaptureFixture[str], *words: object, exit_code: int = 0) -> Any:
    assert main(["classify", *map(str, words), "--json"]) == exit_code
    return json.loads(capsys.readouterr().out)


def test_a_folder_and_its_images_one_by_one_have_the_same_categories(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    together = classified(capsys, photos)
    assert [each["image"] for each in together] == sorted(map(str, photos.iterdir()))
    for each in together[::33]:
        [alone] = classified(capsys, each["image"])
        assert (alone["category_id"], alone["path"]) == (each["category_id"], each["path"])
        assert alone["probability"] == pytest.approx(each["probability"], abs=1e-3)


def test_a_bad_image_is_a_row_and_the_others_are_classified(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = photos / "000.jpg"
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:300])
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.jpg").mkdir()
    words = ["classify", good, tmp_path / "cut.jpg", "nowhere.jpg", tmp_path / "notes.txt", "ftp://a.example/b", good]
    assert main([*map(str, words), "--json"]) == 1
    output = capsys.readouterr()
    rows = json.loads(output.out)
    statuses = [each["status"] for each in rows]
    assert statuses == ["ok", "corrupt", "no_such_file", "not_an_image", "invalid_url", "ok"]
    assert rows[0]["category_id"] == rows[-1]["category_id"] is not None
    assert all(each["category_id"] is None and each["leaves"] == [] for each in rows[1:-1])
    assert "4 of 6 images could not be classified" in output.err


def test_links_are_fetched_together_under_the_guards_of_a_download(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with website(tmp_path / "site") as (address, requests):
        for path in sorted(photos.iterdir())[:40]:
            (tmp_path / "site" / path.name).write_bytes(path.read_bytes())
        links = [f"{address}/{number:03}.jpg" for number in range(40)]
        refused = classified(capsys, *links[:2], exit_code=1)
        assert [each["status"] for each in refused] == ["blocked_address"] * 2
        assert requests == []
        monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", LOOPBACK)
        monkeypatch.setenv("SHELFSIGHT_TIMEOUT_S", str(PATIENCE_S))  # the demo's is short, and a busy server is slow
        monkeypatch.setenv("SHELFSIGHT_CONNECTIONS_PER_HOST", "4")  # its queue of connections is short
        rows = classified(capsys, *links, f"{address}/gone.jpg", exit_code=1)
    assert [each["image"] for each in rows] == [*links, f"{address}/gone.jpg"]
    assert Counter(each["status"] for each in rows) == {"ok": 40, "gone": 1}
    assert threading.active_count() < 20  # nothing of the decoders stays


def test_csv_in_and_csv_out(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text(f"sku,image\n1,{photos / '001.jpg'}\n2,missing.jpg\n")
    output = tmp_path / "out.csv"
    summary = classified(capsys, tmp_path / "in.csv", "--output", output, exit_code=1)
    assert summary == {"output": str(output), "classified": 1, "failed": {"no_such_file": 1}}
    with output.open(encoding="utf-8", newline="") as lines:
        first, second = csv.DictReader(lines)
    assert first["leaf_path"]
    assert float(first["leaf_probability"]) > 0
    assert (second["image"], second["status"], second["category_id"]) == ("missing.jpg", "no_such_file", "")


def test_a_command_that_fails_leaves_the_earlier_file(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    output.write_text("earlier")
    assert main(["classify", str(photos), "--coverage", "0.5", "--output", str(output)]) == 1
    assert output.read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_memory_is_flat_in_the_number_of_images(photos: Path, tmp_path: Path) -> None:
    peaks = []
    for num_images in (200, 2_000):
        rows = "\n".join(str(path) for path in sorted(photos.iterdir()) * (num_images // 100))
        (tmp_path / "in.csv").write_text(f"path\n{rows}\n")
        words = ["classify", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv")]
        code = (
            "import resource; from shelfsight.cli.command import main\n"
            f"assert main({words!r}) == 0; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
        assert len((tmp_path / "out.csv").read_text().splitlines()) == num_images + 1
    assert peaks[1] - peaks[0] < 30, peaks  # MiB


def test_an_output_that_is_no_csv_is_malformed(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", str(photos), "--output", str(tmp_path / "out.xlsx")]) == 2
    assert "name it FILE.csv" in capsys.readouterr().err


def test_people_read_the_category_and_the_most_probable_leaf(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", str(photos / "000.jpg"), str(photos / "001.jpg")]) == 0
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == [
        "image",
        "status",
        "path",
        "probability",
        "most",
        "probable",
        "leaf",
        "leaf",
        "probability",
    ]
    assert len(rows) == 2
