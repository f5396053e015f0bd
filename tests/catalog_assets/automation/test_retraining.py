"""The retraining sensor: new labels, drift or a fall of the golden score start one retraining, with its reason."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from catalog_assets.automation.retraining import SENSOR, RetrainingPolicy, retraining_sensor
from catalog_assets.idioms.priorities import RETRAINING
from resources.store import Store
from tests.catalog.feeds.registered import registered
from tests.catalog_assets.promoting import PROMOTED_AT, write_champion
from tests.dagster_internals import DagsterEvent

PROBE, FINETUNED = "imagenet-lite0-probe", "simclr-mnv3-finetune"

BEFORE, SINCE = PROMOTED_AT - timedelta(days=1), PROMOTED_AT + timedelta(days=1)


def assemble(instance: dg.DagsterInstance, trainable_labels: int, version: str = "v1") -> None:
    event = dg.AssetMaterialization(
        "dataset", metadata={"trainable_labels": trainable_labels}, tags={"dagster/data_version": version}
    )
    instance.report_runless_asset_event(event)


def tick(store: Store, instance: dg.DagsterInstance) -> dg.RunRequest | str:
    """The run that the sensor requests, or the reason why it requests none."""
    context = dg.build_sensor_context(
        instance=instance,
        resources={
            "store": store,
            "retraining_policy": RetrainingPolicy(min_new_labels=100, max_seconds_a_day=3_600),
        },
    )
    (result,) = list(retraining_sensor(context))
    return str(result.skip_message) if isinstance(result, dg.SkipReason) else result


def test_without_a_champion_there_is_nothing_to_retrain(store: Store, instance: dg.DagsterInstance) -> None:
    assert "no champion" in tick(store, instance)


def test_below_the_threshold_the_number_of_new_labels_is_reported(store: Store, instance: dg.DagsterInstance) -> None:
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 1_099)
    assert "99 new labels" in tick(store, instance)


def test_above_the_threshold_the_champion_s_recipe_is_trained_with_a_reason(
    store: Store, instance: dg.DagsterInstance
) -> None:
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 1_100)
    request = tick(store, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == FINETUNED
    assert RETRAINING.items() <= request.tags.items()
    assert "100 new labels" in request.tags["shelfsight/reason"]


def test_the_same_dataset_requests_the_same_run(store: Store, instance: dg.DagsterInstance) -> None:
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 1_200)
    first, second = tick(store, instance), tick(store, instance)
    assert isinstance(first, dg.RunRequest)
    assert isinstance(second, dg.RunRequest)
    assert first.run_key == second.run_key


def test_a_probe_waits_for_the_new_images_embeddings(store: Store, instance: dg.DagsterInstance) -> None:
    write_champion(store, PROBE, trainable_labels=1_000)
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
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 1_200)
    instance.create_run_for_job(train, status=dg.DagsterRunStatus.STARTED)
    assert "in progress" in tick(store, instance)


def test_a_student_that_is_champion_is_taught_again(store: Store, instance: dg.DagsterInstance) -> None:
    write_champion(store, "student-mnv3", trainable_labels=1_000)
    assemble(instance, 1_100)
    request = tick(store, instance)
    assert isinstance(request, dg.RunRequest)
    assert (request.job_name, request.partition_key) == ("distill", "student-mnv3")


def arrive(store: Store, delivery: str, received_at: datetime) -> None:
    registered(delivery, received_at).save(store.delivery_records)


def drift(store: Store, delivery: str, *, has_shifted: bool = False, is_uncertain: bool = False) -> None:
    row = {
        "beyond_chance": 0.5 if has_shifted else 0.1,
        "share_uncertain": 0.4 if is_uncertain else 0.1,
        "has_shifted": has_shifted,
        "is_uncertain": is_uncertain,
    }
    store.write(pl.DataFrame([row]), "drift", delivery)


def test_a_delivery_unlike_the_training_products_starts_a_retraining_though_few_labels_are_new(
    store: Store, instance: dg.DagsterInstance
) -> None:
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 1_003)
    for delivery, received_at in (("hansen.old", BEFORE), ("hansen.new", SINCE)):
        arrive(store, delivery, received_at)
    drift(store, "hansen.old", has_shifted=True)  # the champion was promoted knowing it
    drift(store, "hansen.new")
    assert "no delivery since is unlike the training products" in tick(store, instance)
    for flags, words in (
        ({"has_shifted": True}, "stability index 0.50, 10% uncertain"),
        ({"is_uncertain": True}, "stability index 0.10, 40% uncertain"),
    ):
        drift(store, "hansen.new", **flags)
        request = tick(store, instance)
        assert isinstance(request, dg.RunRequest)
        assert request.tags["shelfsight/reason"] == f"'hansen.new' has drifted ({words})"


def test_images_that_look_otherwise_to_the_champion_s_encoder_start_one_too(
    store: Store, instance: dg.DagsterInstance
) -> None:
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 1_003)
    arrive(store, "hansen.new", SINCE)
    rows = pl.DataFrame({"delivery": ["hansen.new"], "energy": [0.05], "is_shifted": [True]})
    store.write(rows, "embedding_drift", "imagenet-lite0")  # another encoder than the champion's
    assert "no delivery since is unlike" in tick(store, instance)
    store.write(rows, "embedding_drift", "simclr-mnv3")
    request = tick(store, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["shelfsight/reason"] == "'hansen.new' has drifted (energy coefficient 0.050)"


def fall(store: Store, sha256: str, *, has_fallen: bool) -> None:
    row = {
        "classifier_sha256": sha256,
        "split": "golden",
        "top1_before": 0.9,
        "top1": 0.81,
        "has_fallen": has_fallen,
    }
    store.write(pl.DataFrame([row]), "golden_score")


def test_a_fall_of_the_golden_score_starts_one_and_another_classifier_s_does_not(
    store: Store, instance: dg.DagsterInstance
) -> None:
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 1_003)
    for sha256, has_fallen in (("a" * 64, False), ("c" * 64, True)):
        fall(store, sha256, has_fallen=has_fallen)
        assert "the golden score has not fallen" in tick(store, instance)
    fall(store, "a" * 64, has_fallen=True)
    request = tick(store, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["shelfsight/reason"] == "the golden score fell from 90.0% at the promotion to 81.0%"


def test_without_a_new_label_nothing_is_trained(store: Store, instance: dg.DagsterInstance) -> None:
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 1_000)
    fall(store, "a" * 64, has_fallen=True)
    assert "no new label to learn from" in tick(store, instance)


def spend(instance: dg.DagsterInstance, seconds: float, ended_ago: timedelta, sensor: str = SENSOR) -> None:
    """A retraining that failed or not, long enough ago."""
    run = instance.create_run_for_job(train, tags={"dagster/sensor_name": sensor})
    ended_at = datetime.now(UTC) - ended_ago
    for moment, event in (
        (ended_at - timedelta(seconds=seconds), dg.DagsterEventType.RUN_START),
        (ended_at, dg.DagsterEventType.RUN_FAILURE),
    ):
        instance.handle_new_event(
            dg.EventLogEntry(
                error_info=None,
                level="debug",
                user_message="",
                run_id=run.run_id,
                timestamp=moment.timestamp(),
                dagster_event=DagsterEvent(event_type_value=event.value, job_name=run.job_name),
            )
        )


def test_a_day_s_cost_is_not_exceeded_and_the_next_day_it_continues(store: Store, instance: dg.DagsterInstance) -> None:
    write_champion(store, FINETUNED, trainable_labels=1_000)
    assemble(instance, 1_200)
    spend(instance, 9_000, timedelta(hours=1), sensor="a person's")
    spend(instance, 9_000, timedelta(hours=25))
    spend(instance, 3_500, timedelta(hours=2))
    assert isinstance(tick(store, instance), dg.RunRequest)
    spend(instance, 600, timedelta(minutes=1))
    assert "retrainings of the last 24 hours took 4,100 of 3,600 seconds" in tick(store, instance)
