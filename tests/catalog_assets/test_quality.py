"""What the flow finds out of each encoder, and what looks like what."""

import io
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from catalog_assets.quality import QUALITY_SCHEMA
from resources.pictures import Pictures
from resources.similar import SimilarProducts, UnknownProductError
from resources.store import Store
from tests.conftest import ENCODERS, TinyCatalogue

ENCODER = "imagenet-lite0"


@pytest.fixture(scope="module")
def store(tiny_catalogue: TinyCatalogue) -> Store:
    return Store(root=str(tiny_catalogue.root))


@pytest.fixture(scope="module")
def search(store: Store) -> SimilarProducts:
    return SimilarProducts(store, ENCODER)


def test_every_encoder_has_its_figures_judged_on_validation_pictures(store: Store) -> None:
    quality = store.scan("encoder_quality").select(*QUALITY_SCHEMA).collect()
    assert set(quality["encoder"]) == set(ENCODERS)
    metrics = {
        *("knn_top1", "linear_top1", "recall_at_1", "recall_at_5", "mean_average_precision"),
        *("effective_rank", "uniformity", "alignment", "mean_deviation", "dead_dimensions"),
    }
    labelled = store.scan("dataset").filter(split="val").filter(pl.col("level_4").is_not_null()).collect()
    for encoder, figures in quality.group_by("encoder"):
        assert set(figures["metric"]) == metrics, encoder
        assert set(figures["num_samples"]) == {len(labelled)}
        shares = figures.filter(pl.col("ci_low").is_not_null())
        assert (shares["ci_low"] <= shares["value"]).all()
        assert (shares["value"] <= shares["ci_high"]).all()
        assert shares["value"].is_between(0, 1).all()


def test_an_imagenet_encoder_tells_more_than_the_most_frequent_category(store: Store) -> None:
    labelled = store.scan("dataset").filter(split="val").filter(pl.col("level_4").is_not_null()).collect()
    most = labelled["level_4"].value_counts()["count"].max() / len(labelled)
    quality = store.scan("encoder_quality").filter(encoder=ENCODER, metric="knn_top1").collect()
    assert quality["ci_low"].item() > most


def test_a_product_s_neighbours_are_others_the_nearest_first(store: Store, search: SimilarProducts) -> None:
    product_id = store.scan("dataset").select("product_id").first().collect().item()
    found = search.similar(product_id, k=5)
    assert found["rank"].to_list() == [1, 2, 3, 4, 5]
    assert found["similarity"].is_sorted(descending=True)
    assert product_id not in found["product_id"].to_list()
    assert found["title"].null_count() == 0


def test_a_stored_picture_finds_its_own_product(store: Store, search: SimilarProducts, tmp_path: Path) -> None:
    row = store.scan("dataset").filter(split="test").first().collect()
    [data] = Pictures(store=store).read(row)
    file = tmp_path / "picture.jpg"
    file.write_bytes(data)
    for picture in (data, file):
        found = search.similar(picture, k=3)
        same = found.filter(pl.col("similarity") > 0.999)
        assert row["sha256"].item() in same["sha256"].to_list()


def test_an_unknown_product_is_refused_with_ids_spelled_alike(store: Store, search: SimilarProducts) -> None:
    known = store.scan("dataset").select("product_id").first().collect().item()
    with pytest.raises(UnknownProductError, match=rf"'{known}x' has no embedding .* near ids are .*{known}"):
        search.similar(f"{known}x")


@pytest.mark.parametrize("k", [0, 10_000_000])
def test_more_neighbours_than_there_are_products_are_refused(store: Store, search: SimilarProducts, k: int) -> None:
    known = store.scan("dataset").select("product_id").first().collect().item()
    with pytest.raises(ValueError, match=f"k is {k}, but there are"):
        search.similar(known, k)


def test_what_is_no_picture_is_refused(search: SimilarProducts) -> None:
    with pytest.raises(ValueError, match=r"the picture of 3 bytes cannot be decoded .* give a JPEG, PNG or WebP"):
        search.similar(b"abc")


def test_the_command_lists_neighbours_and_lays_out_their_pictures(store: Store, tmp_path: Path) -> None:
    known = store.scan("dataset").select("product_id").first().collect().item()
    sheet = tmp_path / "sheet.png"
    command = [sys.executable, "-m", "resources.similar", known, "--encoder", ENCODER, "-k", "4", "--sheet", str(sheet)]
    environment = {"SHELFSIGHT_STORE": str(store.local), "PATH": "/usr/bin:/bin"}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert "similarity" in told
    with Image.open(io.BytesIO(sheet.read_bytes())) as picture:
        assert picture.width > 4 * picture.height
    refused = subprocess.run(
        [*command[:3], "nobody:1", "--encoder", ENCODER], env=environment, check=False, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("similar: product 'nobody:1' has no embedding")
