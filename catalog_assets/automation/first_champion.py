"""The sensor of a project's first champion: it trains the planned classifiers once there are enough labels."""

from collections.abc import Iterator, Sequence

import dagster as dg

from catalog_assets.automation.retraining import embedded
from catalog_assets.classifiers.jobs import train
from catalog_assets.encoders.jobs import encode
from catalog_assets.evaluation.promoted import current_champion
from catalog_assets.idioms.history import IN_PROGRESS, latest
from catalog_assets.idioms.priorities import RETRAINING
from resources.policies import FirstChampionPolicy
from resources.recipe_set import FOUND_BY
from resources.recipes import RECIPES
from resources.store import Store

SENSOR = "first_champion_sensor"
JOBS = [encode, train]


@dg.sensor(
    name=SENSOR, jobs=[encode, train], minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING
)
def first_champion_sensor(
    context: dg.SensorEvaluationContext, store: Store, first_champion_policy: FirstChampionPolicy
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Trains the encoders and then the classifiers of the project's plan, while there is no champion.

    Predictions, comparison, decision and deployment follow by themselves. A classifier that was trained is not trained
    again, and what a search is to find is left to a person, since it takes a budget.
    """
    instance, policy = context.instance, first_champion_policy
    planned = [name for name in policy.classifiers if not name.startswith(FOUND_BY)]
    if current_champion(store) is not None:
        yield dg.SkipReason("there is a champion; retraining_sensor retrains it")
        return
    if not planned:
        yield dg.SkipReason("the project's plan has no classifier to start with; add one to [plan] of shelfsight.toml")
        return
    dataset = latest(instance, "dataset")
    num_labels = 0 if dataset is None else int(str(dataset.metadata["trainable_labels"].value))
    if dataset is None or num_labels < policy.min_labels:
        yield dg.SkipReason(f"{num_labels} usable labels, {policy.min_labels} start the first training")
        return
    version = (dataset.tags or {})["dagster/data_version"]
    untrained = [name for name in planned if latest(instance, "classifiers", name) is None]
    requests = [
        *(_request(encode.name, name, version) for name in _encoders_to_train(instance, untrained)),
        *(_request(train.name, name, version) for name in untrained if _is_ready(instance, name, version)),
    ]
    if _in_progress(instance):
        yield dg.SkipReason("a training is in progress; the next follows it")
    elif requests:
        yield from requests
    elif untrained:
        yield dg.SkipReason(f"waiting for the embeddings of the dataset for {', '.join(untrained)}")
    else:
        yield dg.SkipReason(f"{', '.join(planned)} are trained; the decision about a champion follows by itself")


def _encoders_to_train(instance: dg.DagsterInstance, classifiers: Sequence[str]) -> list[str]:
    """Returns the encoders that these classifiers need and that can be trained now: their parents are."""
    needed: list[str] = []
    for classifier in classifiers:
        encoder: str | None = RECIPES.classifier(classifier).encoder
        while encoder is not None and latest(instance, "encoders", encoder) is None:
            parent = RECIPES.encoder(encoder).parent
            if (parent is None or latest(instance, "encoders", parent) is not None) and encoder not in needed:
                needed.append(encoder)
            encoder = parent
    return needed


def _is_ready(instance: dg.DagsterInstance, classifier: str, version: str) -> bool:
    """Returns True if a classifier's encoder is trained and, for a probe, has embedded this version of the dataset."""
    recipe = RECIPES.classifier(classifier)
    if recipe.mode == "probe":
        return embedded(instance, recipe.encoder, version)
    return latest(instance, "encoders", recipe.encoder) is not None


def _in_progress(instance: dg.DagsterInstance) -> bool:
    return any(instance.get_runs_count(dg.RunsFilter(job_name=job.name, statuses=IN_PROGRESS)) for job in JOBS)


def _request(job: str, name: str, version: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"{job}:{name}:{version}", partition_key=name, job_name=job, tags={**RETRAINING})
