"""The sensor of the first champion: encoders, then classifiers of the plan, once there are labels; then no more."""

import dagster as dg
import pytest

from catalog_assets.automation.first_champion import first_champion_sensor
from catalog_assets.encoders.jobs import encode
from catalog_assets.idioms.priorities import RETRAINING
from resources.policies import FirstChampionPolicy
from resources.store import Store
from tests.catalog_assets.promoting import write_champion

PROBE, FINETUNED = "imagenet-lite0-probe", "simclr-mnv3-finetune"


def assemble(instance: dg.DagsterInstance, num_labels: int, version: str = "v1") -> None:
    event = dg.AssetMaterialization(
        "dataset", metadata={"trainable_labels": num_labels}, tags={"dagster/data_version": version}
    )
    instance.report_runless_asset_event(event)


def made(instance: dg.DagsterInstance, asset: str, partition: str, **tags: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=partition, tags=tags))


def tick(store: Store, instance: dg.DagsterInstance, *classifiers: str) -> list[tuple[str, str]] | str:
    """The job and partition of each run that is requested, or the reason why there is none."""
    policy = FirstChampionPolicy(classifiers=list(classifiers), min_labels=50)
    context = dg.build_sensor_context(instance=instance, resources={"store": store, "first_champion_policy": policy})
    results = list(first_champion_sensor(context))
    if isinstance(results[0], dg.SkipReason):
        return str(results[0].skip_message)
    assert all(RETRAINING.items() <= each.tags.items() for each in results)
    return [(each.job_name, each.partition_key) for each in results]


def test_encoders_come_first_and_classifiers_once_they_are_there(store: Store, instance: dg.DagsterInstance) -> None:
    assemble(instance, 50)
    plan = (PROBE, FINETUNED)
    assert tick(store, instance, *plan) == [("encode", "imagenet-lite0"), ("encode", "simclr-mnv3")]
    made(instance, "encoders", "imagenet-lite0")
    made(instance, "encoders", "simclr-mnv3")
    assert tick(store, instance, *plan) == [("train", FINETUNED)]
    made(instance, "classifiers", FINETUNED)
    assert tick(store, instance, *plan) == f"waiting for the embeddings of the dataset for {PROBE}"
    made(instance, "embeddings", "imagenet-lite0", **{"dagster/input_data_version/dataset": "v1"})
    assert tick(store, instance, *plan) == [("train", PROBE)]
    made(instance, "classifiers", PROBE)
    assert "the decision about a champion follows by itself" in tick(store, instance, *plan)


def test_below_the_number_of_labels_nothing_is_trained(store: Store, instance: dg.DagsterInstance) -> None:
    assert tick(store, instance, PROBE) == "0 usable labels, 50 start the first training"
    assemble(instance, 49)
    assert tick(store, instance, PROBE) == "49 usable labels, 50 start the first training"


def test_with_a_champion_it_rests(store: Store, instance: dg.DagsterInstance) -> None:
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 100)
    assert "there is a champion" in tick(store, instance, PROBE)


@pytest.mark.parametrize("plan", [(), ("search-quick",)])
def test_a_plan_without_a_classifier_says_what_to_add(
    plan: tuple[str, ...], store: Store, instance: dg.DagsterInstance
) -> None:
    assemble(instance, 100)
    assert "add one to [plan] of shelfsight.toml" in tick(store, instance, *plan)


def test_one_training_after_another(store: Store, instance: dg.DagsterInstance) -> None:
    assemble(instance, 100)

    @dg.op
    def nothing() -> None:
        """Stands in for a training that is under way."""

    @dg.job(name=encode.name)
    def running() -> None:
        nothing()

    instance.create_run_for_job(running, status=dg.DagsterRunStatus.STARTED)
    assert tick(store, instance, PROBE) == "a training is in progress; the next follows it"
