"""Embedding drift: deliveries compared with the training images, by one encoder's embeddings."""

import dagster as dg
import numpy as np
import polars as pl
import pytest

from catalog.evaluation.energy_distance import energy
from catalog.storage.warehouse import query, write_warehouse
from catalog_assets.automation.drift import MIN_PRODUCTS
from catalog_assets.automation.embedding_drift import CHECK
from catalog_assets.definitions import defs
from resources.artifacts.embeddings import StoredEmbeddings
from resources.configured import configured
from resources.settings import Settings
from resources.store import Store
from tests.conftest import ENCODERS, TinyCatalog

ENCODER, DIM = "imagenet-lite0", 16
ASSETS = list(defs.assets or [])
SIZES = {"hansen.spring": 200, "hansen.summer": 150, "meier.spring": 100, "meier.few": MIN_PRODUCTS - 1, "one.one": 1}
SHIFTED = ("meier.spring", "meier.few")


@pytest.fixture
def embedded(store: Store) -> Store:
    """Five deliveries' images; two of them differ, one of which is too small for a comparison."""
    rng = np.random.default_rng(0)
    vectors, rows = [], []
    for delivery, num in SIZES.items():
        center = np.eye(DIM)[0] * 3 + (2 * np.eye(DIM)[1] if delivery in SHIFTED else 0)
        vectors.append(rng.uniform(0.5, 2, (num, 1)) * (center + rng.normal(size=(num, DIM))))  # lengths mean nothing
        rows += [(f"{delivery}:{n}", delivery, delivery.split(".")[0]) for n in range(num)]
    products = pl.DataFrame(rows, schema=["product_id", "delivery", "partner_id"], orient="row")
    embeddings = pl.Series(np.concatenate(vectors).astype(np.float32), dtype=pl.Array(pl.Float32, DIM))
    is_training = pl.col("delivery").str.starts_with("hansen")
    store.write(
        products.with_columns(split=pl.when(is_training).then(pl.lit("train")).otherwise(pl.lit("val"))), "dataset"
    )
    store.write(products.select("product_id", embedding=embeddings), "embeddings", ENCODER)
    store.write_json({"sha256": "a" * 64}, "encoders", ENCODER, "encoder.json")
    record = {"encoder_sha256": "a" * 64, "version": "1"}
    store.write_json(record, "embeddings", f"encoder={ENCODER}", "embeddings.json")
    return store


def measure(store: Store, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets("embedding_drift"),
        partition_key=ENCODER,
        resources=configured(Settings.read(store=store.root)),
        instance=instance,
    )


def test_the_check_names_deliveries_with_different_images(embedded: Store, instance: dg.DagsterInstance) -> None:
    result = measure(embedded, instance)
    rows = {row["delivery"]: row for row in embedded.scan("embedding_drift").collect().to_dicts()}
    assert set(rows) == set(SIZES) - {"one.one"}
    assert {delivery for delivery, row in rows.items() if row["is_shifted"]} == {"meier.spring"}
    assert rows["meier.few"]["energy"] > 0.02
    assert rows["hansen.spring"]["energy"] < 0.02
    assert rows["hansen.spring"]["num_training"] == SIZES["hansen.summer"]
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)
    assert "1 of 4 deliveries" in str(check.description)
    assert "meier.spring" in str(check.description)
    [made] = result.asset_materializations_for_node("embedding_drift")
    assert "data:image/png;base64,iVBOR" in str(made.metadata["distances"].value)


def test_the_same_images_give_the_same_distances(embedded: Store, instance: dg.DagsterInstance) -> None:
    measure(embedded, instance)
    before = embedded.scan("embedding_drift").collect()
    measure(embedded, instance)
    assert embedded.scan("embedding_drift").collect().equals(before)


def test_a_partner_s_deliveries_are_set_side_by_side_in_sql(embedded: Store, instance: dg.DagsterInstance) -> None:
    measure(embedded, instance)
    for delivery, num in SIZES.items():
        row = {"num_products": num, "beyond_chance": num / 1_000, "share_uncertain": 0.1, "share_without_image": 0.2}
        embedded.write(pl.DataFrame([row]), "drift", delivery)
    database = embedded.local / "catalog.duckdb"
    write_warehouse(database, embedded.root)
    view = query(database, "SELECT partner, deliveries, beyond_chance FROM drift_by_partner ORDER BY partner")
    assert view.rows() == [("hansen", 2, 0.2), ("meier", 2, 0.1)]


def test_deliveries_of_the_same_kind_are_no_shift_and_a_delivery_of_one_category_is(
    tiny_catalog: TinyCatalog,
) -> None:
    store = Store(root=str(tiny_catalog.root))
    for encoder in ENCODERS:
        distances = store.scan("embedding_drift", [encoder]).collect()
        assert set(distances["delivery"]) == set(store.partitions("universal_catalog"))
        assert not distances["is_shifted"].any()
        rows = store.scan("dataset").filter(pl.col("level_4").is_not_null()).sort("product_id").collect()
        [most] = rows["level_4"].mode(maintain_order=True)[:1]
        one = rows["level_4"].to_numpy() == most
        vectors = StoredEmbeddings(store, encoder).of(rows)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        assert energy(vectors[one], vectors[~one]).is_large
