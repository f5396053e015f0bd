"""The retraining sensor: its reasons to train the champion's recipe again, and the limit of seconds a day."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from catalog_assets.classifiers.jobs import distill, train
from catalog_assets.classifiers.trained_recipes import trained_recipe
from catalog_assets.evaluation.promoted import current_champion
from catalog_assets.idioms.history import IN_PROGRESS, latest
from catalog_assets.idioms.priorities import RETRAINING as RETRAINING_PRIORITY
from resources.policies import RetrainingPolicy
from resources.recipes import RECIPES
from resources.store import Store

INPUT_DATASET = "dagster/input_data_version/dataset"  # the tag under which Dagster records what an asset was made from
RETRAINING = [train, distill]
SENSOR = "retraining_sensor"
REASON = "shelfsight/reason"  # tag of a run: why it was started
DAY = timedelta(days=1)


@dg.sensor(name=SENSOR, jobs=RETRAINING, minimum_interval_seconds=20, default_status=dg.DefaultSensorStatus.RUNNING)
def retraining_sensor(
    context: dg.SensorEvaluationContext, store: Store, retraining_policy: RetrainingPolicy
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Retrains the champion's recipe once there is a reason and there are new labels, within the seconds a day.

    Reasons are enough new labels, a delivery that is unlike the training products, and a fall of the golden score.
    The candidate is compared with the champion like any other.
    """
    champion = current_champion(store)
    dataset = latest(context.instance, "dataset")
    if champion is None or dataset is None:
        yield dg.SkipReason("there is no champion to retrain yet; materialize the asset 'champion' once")
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
    elif recipe.mode == "probe" and not embedded(context.instance, recipe.encoder, version):
        yield dg.SkipReason(f"waiting for the new images' embeddings by {recipe.encoder!r}")
    elif (spent_s := _spent_s(context.instance)) >= most_s:
        yield dg.SkipReason(
            f"{'; '.join(reasons)}; but retrainings of the last 24 hours took {spent_s:,.0f} of {most_s:,.0f} seconds"
        )
    else:
        yield dg.RunRequest(
            run_key=f"{name}:{version}",
            partition_key=name,
            job_name=(distill if name in RECIPES.students else train).name,
            tags={REASON: "; ".join(reasons), **RETRAINING_PRIORITY},
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
        rows = store.scan("drift").filter(pl.col("has_shifted") | pl.col("is_uncertain"))
        for row in rows.collect().iter_rows(named=True):
            words = f"stability index {row['beyond_chance']:.2f}, {row['share_uncertain']:.0%} uncertain"
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


def embedded(instance: dg.DagsterInstance, encoder: str, dataset_version: str) -> bool:
    """Returns True if an encoder's embeddings were made from this version of the dataset."""
    embeddings = latest(instance, "embeddings", encoder)
    return embeddings is not None and (embeddings.tags or {}).get(INPUT_DATASET) == dataset_version
