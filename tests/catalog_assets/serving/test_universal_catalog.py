"""The deployment and the universal catalog, made of the tiny catalog's champion."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

import ml.deployment.deploy
from catalog.storage.warehouse import query, write_warehouse
from catalog_assets.evaluation.promoted import PREDICTIONS_FILE, promoted_folder
from catalog_assets.flow import QUIET
from catalog_assets.partitions import deliveries
from catalog_assets.serving.deployment import CHECK
from ml.deployment.deployment import current_folder, read_metadata
from ml.deployment.variants import VARIANTS
from ml.file_digests import file_sha256
from resources.configured import configured
from resources.images import StoredImages
from resources.settings import Settings
from resources.store import Store
from tests.catalog_assets.making import ASSETS, made, metadata
from tests.catalog_assets.serving.exported_by_copy import exported_by_copy
from tests.conftest import TinyCatalog


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog, module_folder: Path) -> Store:
    root = tiny_catalog.copy(module_folder).root
    for made_by_the_flow in ("deployment", "universal_catalog"):
        shutil.rmtree(root / made_by_the_flow)
    return Store(root=str(root))


@pytest.fixture(scope="module")
def instance(store: Store) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(Path(store.root) / "dagster")) as instance:
        yield instance


@pytest.fixture(scope="module")
def delivery(store: Store) -> str:
    """The largest one."""
    counted = store.scan("outcomes").filter(status="ok").group_by("delivery").len().sort("len").collect()
    return str(counted["delivery"][-1])


def predicted(store: Store, delivery: str) -> pl.DataFrame:
    """The predictions of a delivery, without the time since which a product has its category."""
    return store.scan("universal_catalog", [delivery]).drop("changed_at").collect()


@pytest.fixture(scope="module")
def nothing_deployed(store: Store, instance: dg.DagsterInstance, delivery: str) -> str:
    """Returns the error before a deployment exists."""
    with pytest.raises(FileNotFoundError) as refused:
        made(store, instance, "universal_catalog", delivery)
    return str(refused.value)


@pytest.fixture(scope="module")
def copied_exports(tiny_catalog: TinyCatalog) -> Iterator[None]:
    """Deployments of this store have the files of the tiny catalog's, which was exported from the same champion."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ml.deployment.deploy, "deploy", exported_by_copy(tiny_catalog.root))
        yield


@pytest.fixture(scope="module")
def deployed(
    nothing_deployed: str, copied_exports: None, store: Store, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    return made(store, instance, "deployment")


@pytest.fixture(scope="module")
def labeled(
    deployed: dg.ExecuteInProcessResult, store: Store, instance: dg.DagsterInstance, delivery: str
) -> dg.ExecuteInProcessResult:
    return made(store, instance, "universal_catalog", delivery)


def test_without_a_deployment_the_error_names_the_asset_to_materialize(nothing_deployed: str) -> None:
    assert nothing_deployed.startswith("nothing is deployed in ")
    assert "materialize the asset 'deployment'" in nothing_deployed


def test_the_deployment_lists_every_variant_and_its_check_passes(
    deployed: dg.ExecuteInProcessResult, store: Store
) -> None:
    [check] = deployed.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == (CHECK, True)
    folder = current_folder(store.local)
    facts = read_metadata(folder)
    champion = store.read_json("champion", "champion.json")
    assert champion is not None
    assert (facts["classifier"], facts["classifier_sha256"]) == (champion["classifier"], champion["sha256"])
    assert {each["variant"] for each in facts["variants"]} == {
        name for name, each in VARIANTS.items() if "cpu" in each.devices
    }
    assert {file.name for file in folder.iterdir()} == {*facts["files"], "deployment.json"}


@pytest.mark.usefixtures("labeled")
def test_every_image_has_a_row_and_its_category_lies_on_the_path_to_its_leaf(store: Store, delivery: str) -> None:
    rows = store.scan("universal_catalog", [delivery]).collect()
    images = store.scan("outcomes", [delivery]).filter(status="ok").collect()
    assert sorted(rows["product_id"]) == sorted(images["product_id"])
    answered = rows.filter(pl.col("category_id").is_not_null())
    assert len(answered) > len(rows) / 2
    tree = store.taxonomy()
    for row in answered.iter_rows(named=True):
        assert row["category_id"] in tree.levels(row["leaf_id"])
        assert row["path"] == tree.path(row["category_id"])
        assert row["leaf_path"].startswith(row["path"])
        assert row["probability"] >= row["leaf_probability"] - 1e-6
        assert [each["probability"] for each in row["alternatives"]] == sorted(
            (each["probability"] for each in row["alternatives"]), reverse=True
        )
    assert rows.filter(pl.col("category_id").is_null(), pl.col("depth") > 0).is_empty()


@pytest.mark.usefixtures("labeled")
def test_predictions_are_the_champion_s(store: Store, delivery: str) -> None:
    """Of golden, test and validation images, whose predictions the store holds."""
    facts = read_metadata(current_folder(store.local))
    said = store.predictions(facts["classifier"]).select("product_id", best=pl.col("top_4").list.first())
    both = store.scan("universal_catalog", [delivery]).collect().join(said, on="product_id")
    assert len(both) > 20
    assert (both["best"] == both["leaf_id"]).mean() > 0.85  # 8 bits differ from 32 where an image is a close call


def test_a_second_run_predicts_no_image_again(
    labeled: dg.ExecuteInProcessResult, store: Store, instance: dg.DagsterInstance, delivery: str
) -> None:
    before = store.scan("universal_catalog", [delivery]).collect()
    again = metadata(made(store, instance, "universal_catalog", delivery), "universal_catalog")
    assert (again["newly predicted"], again["reused"]) == (0, len(before))
    assert store.scan("universal_catalog", [delivery]).collect().equals(before)
    assert metadata(labeled, "universal_catalog")["newly predicted"] == len(before)


@pytest.mark.usefixtures("labeled")
def test_only_new_images_are_predicted(store: Store, instance: dg.DagsterInstance, delivery: str) -> None:
    rows = store.scan("universal_catalog", [delivery]).collect()
    other = pl.when(pl.col("product_id") == rows["product_id"][3]).then(pl.lit("another")).otherwise("sha256")
    store.write(rows.drop("delivery").with_columns(other.alias("sha256"))[2:], "universal_catalog", delivery)
    again = metadata(made(store, instance, "universal_catalog", delivery), "universal_catalog")
    assert again["newly predicted"] == 3  # two that were missing, one whose image has changed
    assert predicted(store, delivery).equals(rows.drop("changed_at"))


@pytest.mark.usefixtures("labeled")
def test_its_views_return_rows(store: Store, delivery: str) -> None:
    database = Path(store.root) / "catalog.duckdb"
    write_warehouse(database, store.root)
    coverage = query(database, "SELECT * FROM catalog_coverage")
    assert coverage["num"].sum() == len(store.scan("universal_catalog").collect())
    assert coverage.group_by("partner").agg(pl.col("share").sum())["share"].to_list() == pytest.approx([1.0])
    without = query(database, "SELECT reason, count(*) AS num FROM products_without_image GROUP BY reason")
    bad = store.scan("outcomes").filter(pl.col("status") != "ok").collect()
    assert without["num"].sum() == len(bad)
    rows = store.scan("universal_catalog", [delivery]).collect()
    tree = store.taxonomy()
    differ = [
        row["product_id"]
        for row in rows.filter(
            pl.col("category_id").is_not_null(), pl.col("partner_category_id").is_not_null()
        ).iter_rows(named=True)
        if row["category_id"] not in tree.lineage(row["partner_category_id"])
    ]
    found = query(database, "SELECT product_id, business_value FROM catalog_disagreements")
    assert sorted(found["product_id"]) == sorted(differ)
    assert found["business_value"].to_list() == sorted(found["business_value"], reverse=True)


@pytest.mark.usefixtures("labeled")
def test_a_flipped_byte_stops_the_labeling_and_keeps_what_there_is(
    store: Store, instance: dg.DagsterInstance, delivery: str
) -> None:
    folder = current_folder(store.local)
    facts = read_metadata(folder)
    before = store.scan("universal_catalog", [delivery]).collect()
    file = folder / VARIANTS[facts["variant"]].files[-1]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    store.write(before.drop("delivery")[5:], "universal_catalog", delivery)
    with pytest.raises(ValueError, match=r"has the fingerprint .*; materialize the asset 'deployment' again"):
        made(store, instance, "universal_catalog", delivery)
    assert len(store.scan("universal_catalog", [delivery]).collect()) == len(before) - 5
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    made(store, instance, "universal_catalog", delivery)
    assert predicted(store, delivery).equals(before.drop("changed_at"))


def test_a_deployment_that_loses_accuracy_is_refused_and_the_former_remains(
    deployed: dg.ExecuteInProcessResult, store: Store, instance: dg.DagsterInstance
) -> None:
    before = current_folder(store.local)
    path = promoted_folder(store, read_metadata(before)["classifier_sha256"]) / PREDICTIONS_FILE
    predictions = pl.read_parquet(path)
    predictions.with_columns(top_4=pl.concat_list("true_4")).write_parquet(path)  # as if it had been right every time
    refused = made(store, instance, "deployment", raises=False)
    predictions.write_parquet(path)
    [check] = refused.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == (CHECK, False)
    assert "the former deployment stays in use" in str(check.description)
    assert current_folder(store.local) == before
    assert before.name in str(metadata(deployed, "deployment")["folder"])


def test_a_deployment_has_its_folder_as_metadata(deployed: dg.ExecuteInProcessResult, store: Store) -> None:
    folder = current_folder(store.local)
    pointer = json.loads((Path(store.root) / "deployment" / "current.json").read_text())
    assert (pointer["folder"], pointer["former"]) == (folder.name, None)
    assert pointer["sha256"] == file_sha256(folder / "deployment.json")
    assert metadata(deployed, "deployment")["folder"] == str(folder)


@pytest.mark.usefixtures("labeled")
def test_a_run_of_several_deliveries_continues_after_a_failed_one(
    store: Store, instance: dg.DagsterInstance, delivery: str, tmp_path: Path
) -> None:
    keys = ["aaa.refused", delivery, *sorted(set(store.partitions("outcomes")) - {delivery})[:2]]
    for key in keys[1:]:
        instance.delete_dynamic_partition(str(deliveries.name), key)
    instance.add_dynamic_partitions(str(deliveries.name), keys)  # in this order
    shutil.copytree(store.root, tmp_path / "store")
    own = Store(root=str(tmp_path / "store"))
    shutil.rmtree(Path(own.root) / "universal_catalog")

    def run(first: str) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            ASSETS,
            selection=dg.AssetSelection.assets("universal_catalog"),
            tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": keys[-1]},
            resources=configured(Settings.read(store=own.root)),
            instance=instance,
            run_config=QUIET,
            raise_on_error=False,
        )

    refused = run("aaa.refused")
    assert not refused.success
    [failure] = refused.filter_events(lambda event: event.is_step_failure)
    assert "1 of 4 deliveries have no categories, the others are done: aaa.refused" in str(failure.step_failure_data)
    assert own.partitions("universal_catalog") == sorted(keys[1:])
    assert predicted(own, delivery).equals(predicted(store, delivery))
    newest = instance.fetch_materializations(dg.AssetRecordsFilter(dg.AssetKey("universal_catalog")), limit=3).records
    assert {record.partition_key for record in newest} == set(keys[1:])
    assert {record.run_id for record in newest} == {refused.run_id}
    again = run(keys[1])
    found = {made.partition: made.metadata for made in again.asset_materializations_for_node("universal_catalog")}
    assert {key: each["newly predicted"].value for key, each in found.items()} == dict.fromkeys(keys[1:], 0)
    assert all(found[key]["dagster/row_count"].value > 0 for key in keys[1:])


@pytest.mark.usefixtures("labeled")
def test_the_registered_model_predicts_as_the_catalog_does(store: Store, delivery: str, tmp_path: Path) -> None:
    rows = store.scan("universal_catalog", [delivery]).sort("product_id").head(3).collect()
    images = StoredImages(store=store).read(
        store.scan("outcomes", [delivery])
        .select("product_id", "delivery", "shard", "sha256")
        .join(rows.lazy().select("product_id"), on="product_id")
        .sort("product_id")
        .collect()
    )
    (tmp_path / "images.json").write_text(json.dumps([base64.b64encode(each).decode() for each in images]))
    script = (
        "import json, mlflow, pandas; model = mlflow.pyfunc.load_model('models:/deployment@current'); "
        "rows = pandas.DataFrame({'image': json.load(open('images.json'))}); "
        "rows['image'] = [__import__('base64').b64decode(each) for each in rows['image']]; "
        "print(json.dumps(model.predict(rows)['leaf_id'].tolist()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{store.root}/mlflow/mlflow.db"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout) == rows["leaf_id"].to_list()
