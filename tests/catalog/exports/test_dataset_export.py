"""The exported dataset, read back by datasets, webdataset and tfrecord."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest
import tfrecord
import webdataset
from PIL import Image
from upath import UPath

from catalog.exports.dataset_export import DATASET_FORMATS, DatasetOptions, export_dataset
from catalog.exports.examples import DatasetFilter
from tests.catalog.exports.small_store import LEAVES, PATHS, write_dataset

SPLITS = {"train": 11, "val": 3, "test": 4, "golden": 2}
CLASSES = [PATHS[1604], PATHS[187]]  # by path


def quiet(done: int, total: int) -> None:
    """Reports nothing."""


def export(root: Path, dataset_format: str, **options: Any) -> dict[str, Any]:
    chosen = DatasetOptions(dataset_format=dataset_format, **options)
    return export_dataset(UPath(root), root / dataset_format, chosen, quiet)


def label_of(product_id: str) -> int:
    number = int(product_id.rpartition(".")[2])
    return CLASSES.index(PATHS[LEAVES[number % 2]])


@pytest.fixture
def images(tmp_path: Path) -> dict[str, bytes]:
    """The image of each product of the dataset in `tmp_path`."""
    return write_dataset(tmp_path, SPLITS, num_unlabeled=2)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder for what `datasets` converts; no request leaves the machine."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return str(tmp_path / "hub")


def test_datasets_loads_the_folder_with_images_classes_and_splits(
    tmp_path: Path, images: dict[str, bytes], hub_cache: str
) -> None:
    record = export(tmp_path, "huggingface", max_shard_bytes=2_000)
    loaded = datasets.load_dataset(str(tmp_path / "huggingface"), cache_dir=hub_cache)
    assert {split: len(rows) for split, rows in loaded.items()} == {
        "train": 11,
        "validation": 3,
        "test": 4,
        "golden": 2,
    }
    assert record["rows"] == SPLITS
    assert len(list((tmp_path / "huggingface" / "data").glob("train-*-of-*.parquet"))) > 2
    features = loaded["train"].features
    assert isinstance(features["image"], datasets.Image)
    assert features["label"].names == CLASSES
    for rows in loaded.values():
        for row in rows:
            expected = Image.open(io.BytesIO(images[row["product_id"]]))
            assert row["image"].tobytes() == expected.tobytes()
            assert row["label"] == label_of(row["product_id"])
            assert row["path"] == CLASSES[row["label"]]


def test_datasets_loads_single_files_and_streams(tmp_path: Path, images: dict[str, bytes], hub_cache: str) -> None:
    export(tmp_path, "huggingface")
    files = {"train": str(tmp_path / "huggingface" / "data" / "train-*.parquet")}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=hub_cache)["train"]
    assert isinstance(loaded.features["image"], datasets.Image)
    assert loaded.features["label"].names == CLASSES
    streamed = datasets.load_dataset(str(tmp_path / "huggingface"), split="golden", streaming=True)
    assert [row["product_id"] in images for row in streamed] == [True, True]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # webdataset leaves the files of its tars to the collector
def test_webdataset_decodes_every_sample(tmp_path: Path, images: dict[str, bytes]) -> None:
    export(tmp_path, "webdataset", max_shard_bytes=5_000)
    for split, num in SPLITS.items():
        shards = sorted(str(path) for path in (tmp_path / "webdataset").glob(f"{split}-*.tar"))
        loaded = webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg", "cls", "json")
        samples = list(loaded)
        assert len(samples) == num
        for image, label, facts in samples:
            data = images[facts["product_id"]]
            assert image.tobytes() == Image.open(io.BytesIO(data)).convert("RGB").tobytes()
            assert label == label_of(facts["product_id"]) == facts["label"]
    assert len(list((tmp_path / "webdataset").glob("train-*.tar"))) > 1


def test_a_reader_of_tfrecord_finds_every_example(tmp_path: Path, images: dict[str, bytes]) -> None:
    export(tmp_path, "tfrecord", max_shard_bytes=4_000)
    keys = {"image/encoded": "byte", "image/class/label": "int", "image/class/text": "byte", "product_id": "byte"}
    for split, num in SPLITS.items():
        shards = sorted((tmp_path / "tfrecord").glob(f"{split}-*-of-*.tfrecord"))
        rows = [row for path in shards for row in tfrecord.tfrecord_loader(str(path), None, keys)]
        assert len(rows) == num
        for row in rows:
            product_id = bytes(row["product_id"]).decode()
            assert bytes(row["image/encoded"]) == images[product_id]
            assert row["image/class/label"].tolist() == [label_of(product_id)]
            assert bytes(row["image/class/text"]).decode() == CLASSES[label_of(product_id)]


@pytest.mark.parametrize("dataset_format", DATASET_FORMATS)
def test_classes_are_listed_with_their_categories(
    tmp_path: Path, images: dict[str, bytes], dataset_format: str
) -> None:
    export(tmp_path, dataset_format, selection=DatasetFilter(splits=("golden",)))
    classes = json.loads((tmp_path / dataset_format / "classes.json").read_text())
    assert classes == [
        {"label": 0, "category_id": 1604, "path": PATHS[1604]},
        {"label": 1, "category_id": 187, "path": PATHS[187]},
    ]


@pytest.mark.parametrize("dataset_format", DATASET_FORMATS)
def test_two_exports_of_one_dataset_are_the_same_bytes(
    tmp_path: Path, images: dict[str, bytes], dataset_format: str
) -> None:
    contents = []
    for _ in range(2):
        export(tmp_path, dataset_format, max_shard_bytes=4_000)
        files = sorted(path for path in (tmp_path / dataset_format).rglob("*") if path.is_file())
        contents.append({path.name: path.read_bytes() for path in files})
    assert contents[0] == contents[1]


def test_unlabeled_images_come_where_wanted_without_a_class(
    tmp_path: Path, images: dict[str, bytes], hub_cache: str
) -> None:
    chosen = DatasetFilter(splits=("train",), with_unlabeled=True)
    for name in DATASET_FORMATS:
        assert export(tmp_path, name, selection=chosen)["rows"] == {"train": 13}
    loaded = datasets.load_dataset(str(tmp_path / "huggingface"), split="train", cache_dir=hub_cache)
    assert loaded["label"][:].count(None) == 2


def test_progress_ends_with_all_rows(tmp_path: Path, images: dict[str, bytes]) -> None:
    reports: list[tuple[int, int]] = []
    options = DatasetOptions(dataset_format="tfrecord")
    report: Callable[[int, int], None] = lambda *counts: reports.append(counts)  # noqa: E731
    export_dataset(UPath(tmp_path), tmp_path / "out", options, report)
    assert reports[-1] == (20, 20)


def test_a_lost_or_replaced_image_is_an_error_and_leaves_no_folder(tmp_path: Path, images: dict[str, bytes]) -> None:
    table = tmp_path / "dataset" / "data.parquet"
    rows = pl.read_parquet(table)
    rows.with_columns(
        sha256=pl.when(pl.col("product_id") == "acme:a/b.5").then(pl.lit("0")).otherwise("sha256")
    ).write_parquet(table)
    with pytest.raises(LookupError, match=r"image of 'acme:a/b.5' is not in .*materialize images\[acme.spring\]"):
        export(tmp_path, "webdataset")
    rows.write_parquet(table)
    next((tmp_path / "images" / "delivery=acme.spring").glob("shard-00001-*.parquet")).unlink()
    with pytest.raises(LookupError, match=r"image of 'acme:a/b.4' is not in"):
        export(tmp_path, "huggingface")
    assert not [path.name for path in tmp_path.iterdir() if "webdataset" in path.name or "huggingface" in path.name]


def test_a_split_without_a_row_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"train": 1})
    with pytest.raises(ValueError, match="no labeled row in golden; choose other splits"):
        export(tmp_path, "tfrecord", selection=DatasetFilter(splits=("golden",)))
    with pytest.raises(FileNotFoundError, match="'dataset' is empty; materialize the asset"):
        export(tmp_path / "nowhere", "tfrecord")
