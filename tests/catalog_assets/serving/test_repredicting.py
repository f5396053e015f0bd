"""The repredict sensor: a new deployment predicts every delivery again, in batches, and once each."""

import dagster as dg
import polars as pl

from catalog_assets.idioms.priorities import REPREDICTION
from catalog_assets.partitions import deliveries
from catalog_assets.serving.repredicting import BATCH, repredict_sensor
from catalog_assets.serving.universal_catalog import TABLE, prediction_version
from resources.predictor import CatalogPredictor
from resources.store import Store

NUM = 2 * BATCH + 3
KEYS = [f"hansen.feed-{number:02}" for number in range(NUM)]
PREDICTOR = CatalogPredictor(coverage=0.9)


def deploy(store: Store, sha256: str, threshold: float = 0.7) -> str:
    """A deployment's record; the version that its predictions have."""
    facts = {
        "classifier": "probe",
        "classifier_sha256": sha256,
        "variant": "onnx",
        "temperature": 1.5,
        "thresholds": {"0.9": threshold},
    }
    store.write_json(facts, "deployment", sha256[:16], "deployment.json")
    store.write_json({"folder": sha256[:16]}, "deployment", "current.json")
    return prediction_version(facts, PREDICTOR)


def predicted(store: Store, instance: dg.DagsterInstance, keys: list[str], version: str = "former") -> None:
    instance.add_dynamic_partitions(str(deliveries.name), keys)
    for key in keys:
        store.write(pl.DataFrame({"product_id": [f"{key}:1"], "version": [version]}), TABLE, key)


def tick(store: Store, instance: dg.DagsterInstance, cursor: str | None) -> tuple[list[dg.RunRequest], str, str | None]:
    """Returns the runs that the sensor requests, its skip message, and its new cursor."""
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"store": store, "catalog_predictor": PREDICTOR}
    )
    result = repredict_sensor(context)
    if isinstance(result, dg.SkipReason):
        return [], str(result.skip_message), context.cursor
    assert isinstance(result, dg.SensorResult)
    return list(result.run_requests or []), "", result.cursor


def test_without_a_deployment_nothing_is_requested(store: Store, instance: dg.DagsterInstance) -> None:
    assert tick(store, instance, None)[1].startswith("nothing is deployed in ")


def test_every_delivery_is_requested_once_and_in_batches(store: Store, instance: dg.DagsterInstance) -> None:
    predicted(store, instance, KEYS)
    version = deploy(store, "a" * 64)
    requested: list[str] = []
    cursor = None
    for expected in (BATCH, BATCH, 3):
        requests, _, cursor = tick(store, instance, cursor)
        assert len(requests) == expected
        assert all(each.tags["shelfsight/reason"].endswith(version) for each in requests)
        assert all(REPREDICTION.items() <= each.tags.items() for each in requests)
        requested += [str(each.partition_key) for each in requests]
    assert sorted(requested) == KEYS
    requests, reason, _ = tick(store, instance, cursor)
    assert (requests, reason) == ([], "every delivery has the categories of 'probe' as onnx")


def test_what_this_deployment_predicted_is_not_requested(store: Store, instance: dg.DagsterInstance) -> None:
    version = deploy(store, "a" * 64)
    predicted(store, instance, KEYS[:1], version)
    predicted(store, instance, KEYS[1:3])
    requests, _, _ = tick(store, instance, None)
    assert [each.partition_key for each in requests] == KEYS[1:3]


def test_a_new_deployment_requests_all_again(store: Store, instance: dg.DagsterInstance) -> None:
    predicted(store, instance, KEYS[:2])
    deploy(store, "a" * 64)
    first, _, cursor = tick(store, instance, None)
    deploy(store, "b" * 64)
    second, _, _ = tick(store, instance, cursor)
    assert [each.partition_key for each in first] == [each.partition_key for each in second] == KEYS[:2]
    assert {each.run_key for each in first}.isdisjoint({each.run_key for each in second})


def test_a_delivery_never_predicted_is_left_to_the_asset_s_condition(
    store: Store, instance: dg.DagsterInstance
) -> None:
    predicted(store, instance, KEYS[:1])
    instance.add_dynamic_partitions(str(deliveries.name), [KEYS[1]])
    deploy(store, "a" * 64)
    requests, _, _ = tick(store, instance, None)
    assert [each.partition_key for each in requests] == KEYS[:1]


def test_the_same_classifier_with_another_threshold_requests_all_again(
    store: Store, instance: dg.DagsterInstance
) -> None:
    predicted(store, instance, KEYS[:2], deploy(store, "a" * 64))
    assert tick(store, instance, None)[0] == []
    deploy(store, "a" * 64, threshold=0.8)
    assert len(tick(store, instance, None)[0]) == 2


@dg.op
def nothing() -> None:
    """Stands in for a prediction in progress."""


@dg.job
def categorize() -> None:
    nothing()


def test_the_next_batch_waits_for_the_runs_of_the_last(store: Store, instance: dg.DagsterInstance) -> None:
    predicted(store, instance, KEYS)
    deploy(store, "a" * 64)
    _, _, cursor = tick(store, instance, None)
    instance.create_run_for_job(categorize, status=dg.DagsterRunStatus.STARTED)
    requests, reason, _ = tick(store, instance, cursor)
    assert requests == []
    assert reason.startswith(f"1 runs of categorize are in progress; {BATCH} deliveries were requested")
