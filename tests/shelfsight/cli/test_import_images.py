"""`shelfsight import` makes a feed, a root, partners and a taxonomy of a folder or a tar file, or nothing at all."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from catalog.download.image_roots import Roots
from catalog.feeds.registration import register
from catalog.feeds.sources import FeedFile
from catalog.products.delivery_parsing import DeliveryTask
from catalog.products.partners import read_partner
from catalog.taxonomy.files import read_taxonomy
from catalog.taxonomy.moves import Moves
from resources.project_file import PROJECT_FILE
from resources.settings import Settings
from shelfsight.cli.command import main
from shelfsight.cli.import_images import NOTES, ImportOptions, import_images
from tests.catalog.download.download_until_killed import SETTINGS, download
from tests.catalog.feeds.registering import NOW
from tests.catalog.images.sample_images import jpeg
from tests.shelfsight.importing.images import write_images, write_tar

TOML = "# my catalog\ntimeout_s = 10  # seconds\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a comment in its file."""
    folder = tmp_path / "my-catalog"
    folder.mkdir()
    (folder / PROJECT_FILE).write_text(TOML)
    monkeypatch.setenv("SHELFSIGHT_PROJECT", str(folder))
    monkeypatch.delenv("SHELFSIGHT_STORE", raising=False)
    return folder


def imported(source: Path, **options: Any) -> dict[str, Any]:
    return import_images(Settings.read(), ImportOptions(source=source, **options))


def feed_of(project: Path, partner: str, name: str | None = None) -> list[dict[str, str]]:
    with (project / "inbox" / partner / f"{name or partner}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def snapshot(project: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in project.rglob("*") if path.is_file()}


def test_folder_is_labeled_by_its_subfolders_and_becomes_a_taxonomy(project: Path, tmp_path: Path) -> None:
    write_images(
        tmp_path / "fruit", "Fruit/Apple/1.jpg", "Fruit/Apple/2.PNG", "Fruit/Pear/1.jpg", "Milk/1.jpg", ".a/1.jpg"
    )
    (tmp_path / "fruit" / "notes.txt").write_text("no image")
    record = imported(tmp_path / "fruit")
    assert (record["images"], record["labels"], record[NOTES]) == (4, 3, [])
    assert (project / PROJECT_FILE).read_text() == f'{TOML}\n[image_roots]\nfruit = "{tmp_path}/fruit"\n'
    rows = {row["image_link"]: row["google_product_category"] for row in feed_of(project, "fruit")}
    assert rows["fruit:Fruit/Apple/2.PNG"] == "Fruit > Apple"
    taxonomy = read_taxonomy(UPath(project / "reference"))
    assert [taxonomy.path(each) for each in sorted(taxonomy.leaves, key=taxonomy.path)] == [
        "Fruit > Apple",
        "Fruit > Pear",
        "Milk",
    ]


def test_imported_feed_is_parsed_with_labels_and_downloaded(project: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "shop", "Shoes/1.jpg", "Hats/1.jpg")
    imported(tmp_path / "shop")
    store = UPath(project / "store")
    feed = FeedFile.in_inbox(UPath(project / "inbox") / "shop" / "shop.csv")
    (delivery,) = register(feed, records=store / "deliveries", received_at=NOW)
    taxonomy = read_taxonomy(UPath(project / "reference"))
    partner = read_partner(UPath(project / "reference"), "shop")
    task = DeliveryTask(delivery=delivery, source=feed, partner=partner, taxonomy=taxonomy, moves=Moves((), taxonomy))
    products = task.parse().products
    assert [taxonomy.path(each) for each in products["category_id"]] == ["Hats", "Shoes"]
    settings = replace(SETTINGS, image_roots=Settings.read().image_places)
    assert set(download(products.select("product_id", "image_url"), store, settings)["status"]) == {"ok"}


def table(folder: Path, rows: list[dict[str, str]]) -> Path:
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "labels.csv"


def test_table_brings_labels_groups_and_columns_of_its_own(project: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "photos", "1.jpg", "2.jpg", "3.jpg")
    rows = [{"path": f"{n}.jpg", "label": "Hat" if n < 3 else "", "sender": "7", "color": "red"} for n in (1, 2)]
    record = imported(tmp_path / "photos", labels=table(tmp_path / "photos", rows))
    assert record[NOTES] == [
        "all labels are 'Hat': a classifier needs two at least",
        "1 images have no row in labels.csv and are not imported",
    ]
    (first, _) = feed_of(project, "photos")
    assert (first["item_group_id"], first["color"], first["sender"]) == ("7", "red", "7")


def test_rows_of_a_split_become_partners_of_that_split(project: Path, tmp_path: Path) -> None:
    names = [f"{n}.jpg" for n in range(6)]
    write_images(tmp_path / "photos", *names)
    splits = ["train", "Train", "val", "test", "test", "iconic"]
    rows = [
        {"file_name": n, "label": f"L{i % 2}", "split": s} for i, (n, s) in enumerate(zip(names, splits, strict=True))
    ]
    record = imported(tmp_path / "photos", labels=table(tmp_path / "photos", rows))
    assert record[NOTES] == ["1 rows with split 'iconic' train"]
    reference = UPath(project / "reference")
    expected = {"photos": ("train", 3), "photos-val": ("val", 1), "photos-test": ("test", 2)}
    for partner, (split, count) in expected.items():
        assert read_partner(reference, partner).split == split
        assert len(feed_of(project, partner, "photos")) == count


def test_second_import_replaces_the_feed_and_changes_nothing_else(project: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "fruit", "Apple/1.jpg", "Pear/1.jpg")
    imported(tmp_path / "fruit")
    before = snapshot(project)
    imported(tmp_path / "fruit")
    assert snapshot(project) == before
    inner = tmp_path / "fruit" / "Pear"
    record = imported(inner, partner="pears")  # a folder below a root needs none of its own
    assert record["image root"] == f"fruit = {tmp_path}/fruit"
    assert feed_of(project, "pears", "Pear")[0]["image_link"] == "fruit:Pear/1.jpg"


def test_unknown_labels_are_listed_with_near_names_and_a_line_to_add(project: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "fruit", "Apple/1.jpg", "Pear/1.jpg")
    imported(tmp_path / "fruit")
    write_images(tmp_path / "more", "Aple/1.jpg", "Pear/1.jpg")
    before = snapshot(project)
    with pytest.raises(ValueError, match=r"1 labels are not in the taxonomy: 'Aple' \(nearest: 'Apple'\).*\d+ - Aple"):
        imported(tmp_path / "more")
    assert snapshot(project) == before


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"path": "1.jpg"}, {"path": "none.jpg"}], "1 rows of unknown files: 'none.jpg' in line 3"),
        ([{"path": "1.jpg"}, {"path": "../secret.jpg"}], "1 rows of unknown files"),
        ([{"path": "1.jpg"}, {"path": "link.jpg"}], "1 rows of unknown files: 'link.jpg'"),
        ([{"path": "1.jpg"}, {"path": "./1.jpg"}], "1 rows of a file that an earlier row has"),
        ([{"name": "1.jpg"}], "has no column of paths; name one path or file_name"),
    ],
)
def test_bad_table_is_refused_and_nothing_written(
    project: Path, tmp_path: Path, rows: list[dict[str, str]], reason: str
) -> None:
    folder = tmp_path / "photos"
    write_images(folder, "1.jpg", "../secret.jpg")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    before = snapshot(project)
    with pytest.raises(ValueError, match=reason):
        imported(folder, labels=table(folder, rows))
    assert snapshot(project) == before


def test_missing_column_folder_or_image_is_refused_by_name(project: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "photos", "1.jpg")
    labels = table(tmp_path / "photos", [{"path": "1.jpg", "labels": "Hat"}])
    with pytest.raises(ValueError, match="has no column 'label'; similar names: labels"):
        imported(tmp_path / "photos", labels=labels, label_column="label")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no image"):
        imported(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match=r"no folder or \.tar file"):
        imported(tmp_path / "nowhere")
    assert snapshot(project) == {str(project / PROJECT_FILE): TOML.encode()}


def test_link_out_of_the_folder_and_a_bad_partner_are_refused(project: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "photos", "1.jpg", "../secret.jpg")
    with pytest.raises(ValueError, match=r"partner '\.\./x' has a bad name"):
        imported(tmp_path / "photos", partner="../x")
    (tmp_path / "photos" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(ValueError, match=r"1 links that lead out of the folder: 'link\.jpg'"):
        imported(tmp_path / "photos")


def test_folder_whose_name_is_no_roots_name_gets_one(project: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "2024 Photos", "1.jpg")
    assert imported(tmp_path / "2024 Photos")["image root"] == f"photos = {tmp_path}/2024 Photos"
    assert feed_of(project, "2024-Photos")[0]["image_link"] == "photos:1.jpg"


def test_folder_may_be_written_relative_to_the_working_directory(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "fruit", "Apple/1.jpg")
    monkeypatch.chdir(project)
    labels = table(tmp_path / "fruit", [{"path": "Apple/1.jpg", "label": "Apple"}])
    assert imported(Path("../fruit"), labels=Path("../fruit") / labels.name)["images"] == 1
    assert Settings.read().image_places == {"fruit": f"{tmp_path}/fruit"}


def test_top_folders_of_splits_are_no_labels(project: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "fruit", "train/Apple/1.jpg", "train/Pear/1.jpg", "val/Apple/1.jpg")
    record = imported(tmp_path / "fruit")
    assert record["labels"] == 2
    assert "the validation rows are the test split" in record[NOTES][0]
    reference = UPath(project / "reference")
    assert read_partner(reference, "fruit").split == "train+val"
    assert read_partner(reference, "fruit-val").split == "test"


def test_images_without_labels_are_imported_with_a_warning(project: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "photos", "1.jpg", "2.jpg")
    first, second = imported(tmp_path / "photos")[NOTES]
    assert "no image has a label" in first
    assert "no taxonomy yet" in second


def test_tar_is_imported_by_ranges_of_its_bytes(project: Path, tmp_path: Path) -> None:
    images = [jpeg(40, 30, seed=seed) for seed in range(3)]
    members = {
        "a/1.jpg": images[0],
        "a/1.json": json.dumps({"label": "Shoes > Boots", "brand": "Hansen", "sizes": [1]}).encode(),
        "a/2.txt": b"a red hat",
        "a/2.jpg": images[1],
        "a/2.cls": b"4\n",
        "3.jpg": images[2],
    }
    write_tar(tmp_path / "shoes.tar", members)
    record = imported(tmp_path / "shoes.tar")
    assert (record["images"], record["labeled"]) == (3, 2)
    rows = {row["id"]: row for row in feed_of(project, "shoes")}
    assert rows["a/1"]["google_product_category"] == "Shoes > Boots"
    assert rows["a/1"]["brand"] == "Hansen"
    assert (rows["a/2"]["google_product_category"], rows["a/2"]["title"]) == ("class 4", "a red hat")
    roots = Roots(Settings.read().image_places)
    for key, image in zip(("a/1", "a/2", "3"), images, strict=True):
        found = roots.find(rows[key]["image_link"])
        assert found.offset is not None
        assert Path(found.place).read_bytes()[found.offset :][: found.length] == image


@pytest.mark.parametrize("damage", ["cut", "gzip", "text"])
def test_broken_tar_is_refused_by_name(project: Path, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "shoes.tar"
    noise = random.Random(0).randbytes(9_000)
    write_tar(file, {"1.jpg": jpeg(40, 30), "2.jpg": noise})
    whole = file.read_bytes()
    file.write_bytes({"cut": whole[:6_000], "gzip": b"\x1f\x8b\x08" + whole, "text": b"no tar" * 300}[damage])
    with pytest.raises(ValueError, match=r"shoes\.tar is not a whole tar file"):
        imported(file)


def test_bad_samples_of_a_tar_are_counted_by_kind(project: Path, tmp_path: Path) -> None:
    members = [("1.jpg", b"a"), ("2.txt", b"b"), ("1.jpg", b"c"), ("3.jpg", b"d"), ("3.json", b"{")]
    write_tar(tmp_path / "shoes.tar", members)
    with pytest.raises(ValueError, match="1 samples without an image: '2'") as refused:
        imported(tmp_path / "shoes.tar")
    assert "1 samples whose key is there twice: '1'" in str(refused.value)
    assert "1 samples whose JSON or text cannot be read: '3'" in str(refused.value)


def test_command_prints_the_record_and_refuses_with_exit_code_1(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "fruit", "Apple/1.jpg", "Pear/1.jpg")
    assert main(["import", str(tmp_path / "fruit"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 2
    assert main(["import", str(tmp_path / "nowhere")]) == 1


def test_without_a_project_the_root_is_named_for_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHELFSIGHT_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "fruit", "Apple/1.jpg", "Pear/1.jpg")
    record = import_images(Settings.read(store=str(tmp_path / "store")), ImportOptions(source=tmp_path / "fruit"))
    assert "SHELFSIGHT_IMAGE_ROOTS" in record[NOTES][0]
