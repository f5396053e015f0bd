"""Students: distilled from a classifier of the catalog and evaluated beside it; for two epochs each."""

from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from catalog.storage.warehouse import query
from catalog_assets.definitions import definitions
from catalog_assets.flow import QUIET
from catalog_assets.partitions import SEARCH_BY_CLASSIFIER, student_recipes, teacher_of_student
from ml.classifiers.classifier import Classifier
from ml.recipes import CLASSIFIER_RECIPES, ENSEMBLE_RECIPES, STUDENT_RECIPES
from resources.recipes import PRESETS
from resources.settings import Settings
from resources.store import Store
from tests.conftest import TinyCatalog
from tests.described import assert_described

STUDENT = "student-mnv3"


@pytest.fixture(scope="module")
def store(tiny_catalog: TinyCatalog, module_folder: Path) -> Store:
    """A copy of the tiny catalog with a student, distilled twice: the second time from cached predictions."""
    root = tiny_catalog.copy(module_folder).root
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        defs = definitions(Settings.read(store=str(root)))
        for _ in range(2):
            defs.resolve_job_def("distill").execute_in_process(
                instance=instance, partition_key=STUDENT, run_config=QUIET, raise_on_error=True
            )
        defs.resolve_job_def("evaluate").execute_in_process(
            instance=instance, partition_key=STUDENT, run_config=QUIET, raise_on_error=True
        )
        defs.resolve_job_def("compare").execute_in_process(instance=instance, run_config=QUIET, raise_on_error=True)
        made = instance.fetch_materializations(dg.AssetKey("students"), limit=2).records
        first, again = (record.asset_materialization for record in made)
        assert first is not None
        assert again is not None
        assert first.tags is not None
        assert again.tags is not None
        assert first.tags["dagster/data_version"] == again.tags["dagster/data_version"]
        assert "ms_per_image" in str(first.metadata["compared with its teacher"].value)
    return Store(root=str(root))


def test_a_student_is_lighter_and_evaluated_on_the_same_images_as_its_teacher(store: Store) -> None:
    rows = query(store.local / "catalog.duckdb", "SELECT * FROM students ORDER BY role")
    student, teacher = rows.iter_rows(named=True)
    assert (student["role"], teacher["role"]) == ("student", "teacher")
    assert teacher["classifier"] == "imagenet-lite0-probe"
    assert student["num_samples"] == teacher["num_samples"]
    assert student["num_parameters"] < teacher["num_parameters"] / 4
    assert student["mib"] < teacher["mib"] / 4
    assert 0 < student["top1_low"] <= student["top1"] <= student["top1_high"] <= 1


def test_a_teacher_predicts_all_training_images_once_labeled_or_not(store: Store) -> None:
    files = list((store.local / "cache" / "teachers").glob("*.npz"))
    assert len(files) == 1
    record = store.read_json("students", STUDENT, "classifier.json")
    assert record is not None
    assert record["num_images"] > record["num_labels"]
    assert record["inputs"]["teacher imagenet-lite0-probe"] == store.fingerprint("classifiers", "imagenet-lite0-probe")
    assert Classifier.load(store.local / "students" / STUDENT).state == "restored"
    assert not (store.local / "classifiers" / STUDENT).exists()


def test_a_student_is_compared_and_may_become_champion(store: Store) -> None:
    row = store.scan("comparison").filter(classifier=STUDENT).collect().row(0, named=True)
    assert (row["kind"], row["teacher"]) == ("student", "imagenet-lite0-probe")
    assert_described(store.root, "students")
    beside = store.scan("students").filter(role="student").collect()
    assert row["top1"] == pytest.approx(beside["top1"].item())
    value = store.scan("metrics").filter(split="val", level=4, metric="value_weighted_accuracy").collect()
    best = value.sort("value", "classifier", descending=[True, False])["classifier"][0]
    decided = store.scan("champion_decisions").collect()
    assert best in {*decided["candidate"]}


def test_a_teacher_s_features_are_computed_once_too(store: Store) -> None:
    name = "student-mnv3-features"
    with dg.DagsterInstance.from_config(str(store.local / "dagster")) as instance:
        definitions(Settings.read(store=store.root)).resolve_job_def("distill").execute_in_process(
            instance=instance, partition_key=name, run_config=QUIET, raise_on_error=True
        )
    [path] = (store.local / "cache" / "teachers").glob("imagenet-lite0-probe-*.npy")
    in_training = store.scan("dataset").filter(split="train").collect()
    assert np.load(path, mmap_mode="r").shape == (len(in_training), 1280)
    assert (store.local / "students" / name / "weights.safetensors").exists()


@pytest.mark.parametrize("name", STUDENT_RECIPES)
def test_every_student_has_a_teacher_among_the_classifiers(name: str) -> None:
    recipe = STUDENT_RECIPES[name]
    assert recipe.distillation is not None
    assert recipe.distillation.teacher in {*CLASSIFIER_RECIPES, *SEARCH_BY_CLASSIFIER, *ENSEMBLE_RECIPES}
    assert name not in CLASSIFIER_RECIPES


def test_lineage_leads_from_a_student_to_its_teacher() -> None:
    from catalog_assets.partitions import classifier_recipes

    wanted = student_recipes.subset_with_partition_keys([STUDENT])
    found = teacher_of_student.get_upstream_mapped_partitions_result_for_partitions(
        wanted, student_recipes, classifier_recipes
    )
    assert list(found.partitions_subset.get_partition_keys()) == ["imagenet-lite0-probe"]


def test_an_unknown_student_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown student recipe 'student-mnv4'; similar names: student-mnv3"):
        PRESETS.student("student-mnv4")
