"""Encoder quality and similarity search on the tiny catalog."""

import io
import subprocess
import sys
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from PIL import Image

from catalog.dataset.splits import in_selection_half
from catalog.storage.warehouse import query
from catalog_assets.encoders.quality import selection_mask
from resources.artifacts.similar_products import SimilarProducts, UnknownProductError
from resources.images import StoredImages
from resources.store import Store
from tests.conftest import ENCODERS, TinyCatalog

ENCODER = "imagenet-lite0"


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog) -> Store:
    return Store(root=str(tiny_catalog.root))


@pytest.fixture(scope="module")
def search(store: Store) -> SimilarProducts:
    return SimilarProducts(store, ENCODER)


def evaluation_images(store: Store) -> pl.DataFrame:
    """Returns the labeled validation images without those that select the epoch of a pretraining."""
    labeled = store.scan("dataset").filter(split="val").filter(pl.col("level_4").is_not_null()).collect()
    evaluated = labeled.filter(~in_selection_half(labeled["group_id"]))
    assert 0 < len(evaluated) < len(labeled)
    return evaluated


def test_every_encoder_is_evaluated_on_validation_images(store: Store) -> None:
    quality = store.scan("encoder_quality").filter(pl.col("category_id").is_null()).collect()
    assert set(quality["encoder"]) == set(ENCODERS)
    metrics = {
        *("knn_top1", "linear_top1", "recall_at_1", "recall_at_5", "mean_average_precision"),
        *("effective_rank", "uniformity", "alignment", "mean_deviation", "dead_dimensions"),
    }
    evaluated = evaluation_images(store)
    num_val = store.scan("dataset").filter(split="val").collect().height
    for encoder, figures in quality.group_by("encoder"):
        assert set(figures["metric"]) == metrics, encoder
        is_share = pl.col("ci_low").is_not_null()
        shares = figures.filter(is_share)
        assert set(shares["num_samples"]) == {len(evaluated)}
        assert set(figures.filter(~is_share)["num_samples"]) == {num_val}  # collapse needs no label
        assert (shares["ci_low"] <= shares["value"]).all()
        assert (shares["value"] <= shares["ci_high"]).all()
        assert shares["value"].is_between(0, 1).all()


def test_an_imagenet_encoder_beats_the_most_frequent_category(store: Store) -> None:
    leaves = evaluation_images(store)["level_4"]
    most = leaves.value_counts()["count"].max() / len(leaves)
    quality = store.scan("encoder_quality").filter(pl.col("category_id").is_null())
    assert quality.filter(encoder=ENCODER, metric="knn_top1").collect()["ci_low"].item() > most


def test_the_figures_of_the_categories_add_up_to_the_whole(store: Store) -> None:
    quality = store.scan("encoder_quality").filter(encoder=ENCODER, split="val", level=4).collect()
    labeled = evaluation_images(store)
    by_category = quality.filter(pl.col("category_id").is_not_null())
    for metric in ("knn_top1", "linear_top1", "recall_at_1", "recall_at_5", "mean_average_precision"):
        rows = by_category.filter(metric=metric)
        assert dict(rows.select("category_id", "num_samples").iter_rows()) == dict(
            labeled["level_4"].value_counts().iter_rows()
        )
        whole = quality.filter(pl.col("category_id").is_null(), pl.col("metric") == metric)["value"].item()
        assert (rows["value"] * rows["num_samples"]).sum() / len(labeled) == pytest.approx(whole)


def test_it_records_what_it_was_made_from(store: Store) -> None:
    record = store.read_json("encoder_quality", f"encoder={ENCODER}", "encoder_quality.json")
    embedded = store.read_json("embeddings", f"encoder={ENCODER}", "embeddings.json")
    assert record is not None
    assert embedded is not None
    assert record["encoder_sha256"] == store.fingerprint("encoders", ENCODER)
    assert record["embeddings_version"] == embedded["version"]
    assert len(record["rows_version"]) > 10


def test_a_tenth_of_the_groups_chooses_the_weight_decay_and_no_group_is_on_both_sides() -> None:
    groups = pl.Series([f"g{n // 3}" for n in range(300)])
    chosen = selection_mask(groups)
    assert chosen.sum() == 30
    assert not set(groups.filter(pl.Series(chosen))) & set(groups.filter(pl.Series(~chosen)))
    assert (selection_mask(groups) == chosen).all()
    assert selection_mask(pl.Series(["a", "b"])).sum() == 1


def test_the_warehouse_compares_encoders_and_lists_their_indexes(tiny_catalog: TinyCatalog, store: Store) -> None:
    database = tiny_catalog.root / "catalog.duckdb"
    compared = query(database, "SELECT * FROM quality_by_encoder")
    assert set(compared["encoder"]) == set(ENCODERS)
    assert compared.null_count().sum_horizontal().item() == 0
    indexes = query(database, "SELECT * FROM similarity_indexes")
    assert set(indexes["encoder"]) == set(ENCODERS)
    assert (indexes["num_vectors"] == store.scan("dataset").collect().height).all()
    assert (indexes["recall_at_10"] >= 0.95).all()


def test_map_and_neighbors_are_shown_and_the_index_s_recall_is_checked(tiny_catalog: TinyCatalog) -> None:
    with dg.DagsterInstance.from_config(str(tiny_catalog.home)) as instance:
        made = {
            asset: instance.get_latest_materialization_event(dg.AssetKey(asset))
            for asset in ("encoder_quality", "similarity_index")
        }
        check = dg.AssetCheckKey(dg.AssetKey("similarity_index"), "recall_at_10")
        [record] = instance.event_log_storage.get_latest_asset_check_execution_by_key([check]).values()
    assert record.status.value == "SUCCEEDED"
    for asset, shown in (("encoder_quality", "map"), ("similarity_index", "neighbors")):
        event = made[asset]
        assert event is not None
        assert event.asset_materialization is not None
        assert "data:image/png;base64,iVBOR" in str(event.asset_materialization.metadata[shown].value), asset


def test_a_product_s_neighbors_are_others_the_nearest_first(store: Store, search: SimilarProducts) -> None:
    product_id = store.scan("dataset").select("product_id").first().collect().item()
    found = search.similar(product_id, k=5)
    assert found["rank"].to_list() == [1, 2, 3, 4, 5]
    assert found["similarity"].is_sorted(descending=True)
    assert product_id not in found["product_id"].to_list()
    assert found["title"].null_count() == 0


def test_a_stored_image_finds_its_own_product(store: Store, search: SimilarProducts, tmp_path: Path) -> None:
    row = store.scan("dataset").filter(split="test").first().collect()
    [data] = StoredImages(store=store).read(row)
    file = tmp_path / "image.jpg"
    file.write_bytes(data)
    for image in (data, file):
        found = search.similar(image, k=3)
        same = found.filter(pl.col("similarity") > 0.999)
        assert row["sha256"].item() in same["sha256"].to_list()


def test_an_unknown_product_is_refused_with_ids_spelled_alike(store: Store, search: SimilarProducts) -> None:
    known = store.scan("dataset").select("product_id").first().collect().item()
    with pytest.raises(UnknownProductError, match=rf"'{known}x' has no embedding .* near ids are .*{known}"):
        search.similar(f"{known}x")


@pytest.mark.parametrize("k", [0, 10_000_000])
def test_more_neighbors_than_there_are_products_are_refused(store: Store, search: SimilarProducts, k: int) -> None:
    known = store.scan("dataset").select("product_id").first().collect().item()
    with pytest.raises(ValueError, match=f"k is {k}, but there are"):
        search.similar(known, k)


def test_what_is_no_image_is_refused(search: SimilarProducts) -> None:
    with pytest.raises(ValueError, match=r"the image of 3 bytes cannot be decoded .* give a JPEG, PNG or WebP"):
        search.similar(b"abc")


def test_the_command_lists_neighbors_and_lays_out_their_images(store: Store, tmp_path: Path) -> None:
    known = store.scan("dataset").select("product_id").first().collect().item()
    sheet = tmp_path / "sheet.png"
    command = [sys.executable, "-m", "shelfsight", "similar"]
    words = [known, "--encoder", ENCODER, "-k", "4", "--sheet", str(sheet)]
    environment = {"SHELFSIGHT_STORE": str(store.local), "PATH": "/usr/bin:/bin"}
    output = subprocess.run([*command, *words], env=environment, check=True, capture_output=True, text=True).stdout
    assert "similarity" in output
    with Image.open(io.BytesIO(sheet.read_bytes())) as image:
        assert image.width > 4 * image.height
    refused = subprocess.run(
        [*command, "nobody:1", "--encoder", ENCODER], env=environment, check=False, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("shelfsight similar: product 'nobody:1' has no embedding")
