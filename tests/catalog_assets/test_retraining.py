"""The retraining sensor: enough new labels since the champion was trained start one retraining, with its reason."""

import dagster as dg

from catalog_assets.automation import RetrainingPolicy, retraining_sensor
from resources.store import Store

PROBE, FINETUNED = "imagenet-lite0-probe", "simclr-mnv3-finetune"


def crown(store: Store, classifier: str, trainable_labels: int) -> None:
    record = {"classifier": classifier, "trainable_labels": trainable_labels}
    store.write_json(record, "champion", "champion.json")


def assemble(instance: dg.DagsterInstance, trainable_labels: int, version: str = "v1") -> None:
    event = dg.AssetMaterialization(
        "dataset", metadata={"trainable_labels": trainable_labels}, tags={"dagster/data_version": version}
    )
    instance.report_runless_asset_event(event)


def tick(store: Store, instance: dg.DagsterInstance) -> dg.RunRequest | str:
    """The run that the sensor requests, or the reason why it requests none."""
    context = dg.build_sensor_context(
        instance=instance,
        resources={"store": store, "retraining_policy": RetrainingPolicy(min_new_labels=100)},
    )
    (answer,) = list(retraining_sensor(context))
    return str(answer.skip_message) if isinstance(answer, dg.SkipReason) else answer


def test_without_a_champion_there_is_nothing_to_retrain(store: Store, instance: dg.DagsterInstance) -> None:
    assert "no champion" in tick(store, instance)


def test_below_the_threshold_it_says_how_many_labels_are_new(store: Store, instance: dg.DagsterInstance) -> None:
    crown(store, FINETUNED, 1_000)
    assemble(instance, 1_099)
    assert "99 new labels" in tick(store, instance)


def test_past_the_threshold_the_champion_s_recipe_is_trained_and_the_run_says_why(
    store: Store, instance: dg.DagsterInstance
) -> None:
    crown(store, FINETUNED, 1_000)
    assemble(instance, 1_100)
    request = tick(store, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == FINETUNED
    assert "100 new labels" in request.tags["shelfsight/reason"]


def test_the_same_dataset_asks_for_the_same_run(store: Store, instance: dg.DagsterInstance) -> None:
    crown(store, FINETUNED, 1_000)
    assemble(instance, 1_200)
    first, second = tick(store, instance), tick(store, instance)
    assert isinstance(first, dg.RunRequest)
    assert isinstance(second, dg.RunRequest)
    assert first.run_key == second.run_key


def test_a_probe_waits_for_the_new_pictures_embeddings(store: Store, instance: dg.DagsterInstance) -> None:
    crown(store, PROBE, 1_000)
    assemble(instance, 1_200, version="v2")
    assert "embeddings" in tick(store, instance)
    tags = {"dagster/input_data_version/dataset": "v2"}
    instance.report_runless_asset_event(dg.AssetMaterialization("embeddings", partition="imagenet-lite0", tags=tags))
    assert isinstance(tick(store, instance), dg.RunRequest)


@dg.op
def nothing() -> None:
    """Stands in for a training that is under way."""


@dg.job
def train() -> None:
    nothing()


def test_one_retraining_at_a_time(store: Store, instance: dg.DagsterInstance) -> None:
    crown(store, FINETUNED, 1_000)
    assemble(instance, 1_200)
    instance.create_run_for_job(train, status=dg.DagsterRunStatus.STARTED)
    assert "in progress" in tick(store, instance)


def test_a_student_that_is_champion_is_taught_again(store: Store, instance: dg.DagsterInstance) -> None:
    crown(store, "student-mnv3", 1_000)
    assemble(instance, 1_100)
    request = tick(store, instance)
    assert isinstance(request, dg.RunRequest)
    assert (request.job_name, request.partition_key) == ("distil", "student-mnv3")
