"""Titles: which are embedded and when, and the gain over images alone."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from catalog.storage.warehouse import query, write_warehouse
from catalog_assets.definitions import definitions
from catalog_assets.flow import QUIET
from resources.artifacts.text_embeddings import title_vectors
from resources.settings import Settings
from resources.store import Store
from tests.described import assert_described

ENCODER = "imagenet-lite0"
NUM = 240
DELIVERIES = ("hansen.spring", "meier.spring")
WORDS = ("linen dress", "ankle boot")


@pytest.fixture
def catalog(store: Store, instance: dg.DagsterInstance) -> Store:
    """Four categories, of which images tell the first two from the last two and titles the odd from the even ones."""
    labels = np.arange(NUM) % 4
    deliver(store, [f"{WORDS[label % 2]}, color {number % 5}" for number, label in enumerate(labels)])
    split = np.select([np.arange(NUM) % 10 < 5, np.arange(NUM) % 10 < 7], ["train", "val"], "golden")
    ids = pl.Series(product_ids())
    dataset = pl.DataFrame(
        {
            "product_id": ids,
            "partner_id": ids.str.split(":").list.first(),
            "delivery": [DELIVERIES[number % 2] for number in range(NUM)],
            "split": split,
            "category_id": 10 + labels,
            **{f"level_{level}": 10 + labels for level in range(1, 5)},
        }
    )
    store.write(dataset, "dataset")
    rng = np.random.default_rng(0)
    vectors = ((labels // 2)[:, None] + 0.3 * rng.normal(size=(NUM, 8))).astype(np.float32)
    embeddings = pl.DataFrame({"product_id": ids, "sha256": ids, "embedding": vectors})
    store.write(embeddings, "embeddings", ENCODER)
    store.write_json({"sha256": "e"}, "encoders", ENCODER, "encoder.json")
    store.write_json({"encoder_sha256": "e", "version": "v"}, "embeddings", f"encoder={ENCODER}", "embeddings.json")
    instance.add_dynamic_partitions("deliveries", list(DELIVERIES))
    return store


def product_ids() -> list[str]:
    return [f"{DELIVERIES[number % 2].split('.')[0]}:{number}" for number in range(NUM)]


def deliver(store: Store, titles: Sequence[str]) -> None:
    """The products of both partners, with these titles."""
    products = pl.DataFrame({"product_id": product_ids(), "title": titles})
    for offset, delivery in enumerate(DELIVERIES):
        part = products.gather_every(2, offset).with_columns(delivery=pl.lit(delivery))
        store.write(part, "products", delivery)


def embed(store: Store, instance: dg.DagsterInstance) -> dict[str, object]:
    """The metadata of a run that embeds the titles."""
    job = definitions(Settings.read(store=store.root)).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey("title_embeddings")], run_config=QUIET, raise_on_error=True
    )
    [event] = result.asset_materializations_for_node("title_embeddings")
    return {name: each.value for name, each in event.metadata.items()}


def test_a_title_is_embedded_once_and_again_only_when_it_changed(catalog: Store, instance: dg.DagsterInstance) -> None:
    first = embed(catalog, instance)
    assert (first["dagster/row_count"], first["different titles"], first["embedded now"]) == (NUM, 10, 10)
    assert_described(catalog.root, "title_embeddings")
    before = catalog.scan("title_embeddings").collect()
    assert before["product_id"].to_list() == product_ids()
    assert embed(catalog, instance)["embedded now"] == 0
    assert catalog.scan("title_embeddings").collect().equals(before)

    titles = catalog.scan("products").sort(pl.col("product_id").str.split(":").list.last().cast(int)).collect()
    deliver(catalog, ["a woollen hat", *titles["title"].to_list()[1:]])
    assert embed(catalog, instance)["embedded now"] == 1
    after = catalog.scan("title_embeddings").collect()
    assert after[1:].equals(before[1:])
    assert not after[:1].equals(before[:1])


def test_another_model_embeds_every_title_again(catalog: Store, instance: dg.DagsterInstance) -> None:
    embed(catalog, instance)
    catalog.write_json({"model_sha256": "another", "version": "v"}, "title_embeddings", "title_embeddings.json")
    assert embed(catalog, instance)["embedded now"] == 10


def test_products_without_a_title_are_counted_by_partner_and_have_the_zero_vector(
    catalog: Store, instance: dg.DagsterInstance
) -> None:
    titles = [("" if number % 8 == 1 else "\u200b" if number % 8 == 3 else "boot") for number in range(NUM)]
    deliver(catalog, titles)
    metadata = embed(catalog, instance)
    assert metadata["products without a title"] == NUM // 4
    assert metadata["share without a title"] == 0.25
    assert "| hansen | 120 | 0.0 |" in str(metadata["by partner"])
    assert "| meier | 120 | 0.5 |" in str(metadata["by partner"])
    rows = catalog.scan("dataset").collect()
    assert title_vectors(catalog, rows).any(axis=1).tolist() == [title == "boot" for title in titles]


def test_titles_of_any_script_and_length_are_embedded(catalog: Store, instance: dg.DagsterInstance) -> None:
    odd = ["x" * 100_000, "裙子 " * 20_000, "Платье\nиз\r\nшёлка", "👗" * 50, "فستان", "a\tb", "dress\u0000"]  # noqa: RUF001
    deliver(catalog, [odd[number % len(odd)] for number in range(NUM)])
    assert embed(catalog, instance)["products without a title"] == 0


def test_a_catalog_without_any_title_fails_with_a_reason(catalog: Store, instance: dg.DagsterInstance) -> None:
    deliver(catalog, [""] * NUM)
    with pytest.raises(dg.Failure) as raised:
        embed(catalog, instance)
    assert f"none of {NUM} usable products has a title" in str(raised.value.description)


def test_a_missing_sentence_encoder_fails_the_run_with_a_reason(
    catalog: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.encoders.text_encoder.PACKAGE", "no_such_package")
    with pytest.raises(dg.Failure) as raised:
        embed(catalog, instance)
    assert "pip install shelfsight[text]" in str(raised.value.description)


def test_image_and_title_together_beat_each_alone_in_a_view(
    catalog: Store, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    job = definitions(Settings.read(store=catalog.root)).resolve_job_def("titles")
    job.execute_in_process(instance=instance, partition_key=ENCODER, run_config=QUIET, raise_on_error=True)
    assert_described(catalog.root, "multimodal")
    lines = catalog.scan("multimodal").collect()
    assert len(lines) == 4 * 2
    assert set(lines["split"]) == {"golden"}
    assert set(lines["num"]) == {NUM * 3 // 10}
    assert lines.select((pl.col("low") <= pl.col("top1")).all() & (pl.col("top1") <= pl.col("high")).all()).item()
    by_inputs = {line["inputs"]: line for line in lines.filter(label_fraction=1.0).iter_rows(named=True)}
    assert max(by_inputs["image"]["top1"], by_inputs["title"]["top1"]) < 0.7
    assert by_inputs["joint"]["top1"] > 0.95
    assert by_inputs["joint"]["gain_over_single_low"] > 0.2
    better = by_inputs[by_inputs["joint"]["single"]]
    assert by_inputs["joint"]["gain_over_single"] == pytest.approx(by_inputs["joint"]["top1"] - better["top1"])
    assert better["gain_over_single"] == 0
    assert set(lines.filter(label_fraction=0.01)["num_draws"]) == {3}

    database = tmp_path / "catalog.duckdb"
    write_warehouse(database, catalog.root)
    result = query(database, "SELECT joint_top1, better_input FROM multimodal_accuracy WHERE label_fraction = 1")
    assert result.rows() == [(by_inputs["joint"]["top1"], by_inputs["joint"]["single"])]


def test_without_evaluation_labels_nothing_is_evaluated(catalog: Store, instance: dg.DagsterInstance) -> None:
    rows = catalog.scan("dataset").collect()
    catalog.write(rows.filter(pl.col("split") != "golden"), "dataset")
    embed(catalog, instance)
    with pytest.raises(dg.Failure) as raised:
        definitions(Settings.read(store=catalog.root)).resolve_job_def("titles").execute_in_process(
            instance=instance, partition_key=ENCODER, run_config=QUIET, raise_on_error=True
        )
    assert "and 0 in test or golden" in str(raised.value.description)


def test_both_steps_wait_for_the_device() -> None:
    graph = definitions(Settings.read(store="store")).resolve_asset_graph()
    assert all(graph.get(dg.AssetKey(name)).pools == {"device"} for name in ("title_embeddings", "multimodal"))
