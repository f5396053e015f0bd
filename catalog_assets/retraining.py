"""Retraining: what the data says for training the champion's recipe anew, and what a day of it may cost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from catalog_assets.history import IN_PROGRESS, latest
from catalog_assets.jobs import distil, train
from catalog_assets.trained import trained_recipe
from ml.recipes import STUDENT_RECIPES
from resources.store import Store

INPUT_DATASET = "dagster/input_data_version/dataset"  # the tag under which Dagster records what an asset was made from
RETRAINING = [train, distil]
SENSOR = "retraining_sensor"
REASON = "shelfsight/reason"  # the tag of a run that says why it was started
DAY = timedelta(days=1)


class RetrainingPolicy(dg.ConfigurableResource):  # type: ignore[type-arg]
    """When new data is worth a training run, and how many seconds of runs a day it may take."""

    min_new_labels: int = 100
    max_seconds_a_day: float = 4 * 3600.0


@dg.sensor(name=SENSOR, jobs=RETRAINING, minimum_interval_seconds=20, default_status=dg.DefaultSensorStatus.RUNNING)
def retraining_sensor(
    context: dg.SensorEvaluationContext, store: Store, retraining_policy: RetrainingPolicy
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Retrain the champion's recipe once there is reason to and something new to learn from; never past a day's cost.

    Reasons are enough new labels, a delivery that is unlike the training products, and a fall of the golden score.
    The candidate goes through the champion's check like any other.
    """
    champion = store.read_json("champion", "champion.json")
    dataset = latest(context.instance, "dataset")
    if champion is None or dataset is None:
        yield dg.SkipReason("there is no champion to retrain yet; materialise the asset 'champion' once")
        return
    name, version = champion["classifier"], (dataset.tags or {})["dagster/data_version"]
    recipe = trained_recipe(store, name)
    new = int(str(dataset.metadata["trainable_labels"].value)) - champion["trainable_labels"]
    reasons = _reasons(store, champion, new, recipe.encoder, retraining_policy)
    most_s = retraining_policy.max_seconds_a_day
    if not reasons:
        least = retraining_policy.min_new_labels
        yield dg.SkipReason(
            f"{new} new labels since {name!r} was trained, {least} start a retraining; no delivery since is unlike the "
            "training products, and the golden score has not fallen"
        )
    elif new <= 0:
        yield dg.SkipReason(f"{'; '.join(reasons)}; but no new label to learn from: label some products")
    elif _in_progress(context.instance):
        yield dg.SkipReason("a retraining is in progress; one at a time")
    elif recipe.mode == "probe" and not _embedded(context.instance, recipe.encoder, version):
        yield dg.SkipReason(f"waiting for the new pictures' embeddings by {recipe.encoder!r}")
    elif (spent_s := _spent_s(context.instance)) >= most_s:
        yield dg.SkipReason(
            f"{'; '.join(reasons)}; but retrainings of the last 24 hours took {spent_s:,.0f} of {most_s:,.0f} seconds"
        )
    else:
        yield dg.RunRequest(
            run_key=f"{name}:{version}",
            partition_key=name,
            job_name=(distil if name in STUDENT_RECIPES else train).name,
            tags={REASON: "; ".join(reasons)},
        )


def _reasons(
    store: Store, champion: dict[str, Any], new_labels: int, encoder: str, policy: RetrainingPolicy
) -> list[str]:
    """Each in words; none where all is as it was when the champion was trained."""
    reasons = []
    if new_labels >= policy.min_new_labels:
        reasons.append(f"{new_labels} new labels since {champion['classifier']!r} was trained")
    reasons += _drifted(store, champion, encoder)
    if store.holds("golden_score"):
        score = store.scan("golden_score").filter("has_fallen", classifier_sha256=champion["sha256"]).collect()
        for row in score.iter_rows(named=True):
            now, before = row["top1"], row["top1_before"]
            reasons.append(f"the {row['split']} score fell from {before:.1%} at the promotion to {now:.1%}")
    return reasons


def _drifted(store: Store, champion: dict[str, Any], encoder: str) -> list[str]:
    """Deliveries that arrived since the champion was promoted and are unlike what it was trained on."""
    promoted_at = champion.get("promoted_at")
    if promoted_at is None:
        return []
    found: dict[str, str] = {}
    if store.partitions("drift"):
        rows = store.scan("drift").filter(pl.col("has_shifted") | pl.col("is_unsure"))
        for row in rows.collect().iter_rows(named=True):
            words = f"stability index {row['beyond_chance']:.2f}, {row['share_unsure']:.0%} unsure"
            found[row["delivery"]] = words
    if store.holds("embedding_drift", encoder):
        for row in store.scan("embedding_drift", [encoder]).filter("is_shifted").collect().iter_rows(named=True):
            words = f"energy coefficient {row['energy']:.3f}"
            found[row["delivery"]] = ", ".join(filter(None, [found.get(row["delivery"]), words]))
    known = [key for key in sorted(found) if (store.delivery_records / f"{key}.json").exists()]
    return [
        f"{delivery.key!r} has drifted ({found[delivery.key]})"
        for delivery in store.deliveries(known)
        if datetime.fromisoformat(delivery.received_at) > datetime.fromisoformat(promoted_at)
    ]


def _spent_s(instance: dg.DagsterInstance) -> float:
    """Seconds of the last 24 hours in runs that the sensor started: ended, failed or under way."""
    now = datetime.now(UTC)
    since = (now - DAY).timestamp()
    # A run of a few hours may have begun before the window and end in it.
    wanted = dg.RunsFilter(tags={"dagster/sensor_name": SENSOR}, updated_after=now - DAY)
    spent = 0.0
    for record in instance.get_run_records(wanted):
        if record.start_time is not None:
            spent += max(0.0, (record.end_time or now.timestamp()) - max(record.start_time, since))
    return spent


def _in_progress(instance: dg.DagsterInstance) -> bool:
    return any(instance.get_runs_count(dg.RunsFilter(job_name=job.name, statuses=IN_PROGRESS)) for job in RETRAINING)


def _embedded(instance: dg.DagsterInstance, encoder: str, dataset_version: str) -> bool:
    """Whether an encoder's embeddings were made from this version of the dataset."""
    embeddings = latest(instance, "embeddings", encoder)
    return embeddings is not None and (embeddings.tags or {}).get(INPUT_DATASET) == dataset_version
