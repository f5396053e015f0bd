"""Estimates of runs that a project has not made yet, from rates that its former runs measured on this machine.

A rate is seconds per unit of work: bytes of a feed, images embedded, images times epochs trained. It is taken from
comparable runs only: of a training, those of the same encoder and mode. What has no comparable run is estimated from a
measured step of its network, where it has one, and is otherwise unknown; its basis says until when.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from catalog_assets.flow import PlannedRun
from catalog_assets.idioms.history import latest
from ml.recipe_types import ClassifierRecipe, EncoderRecipe
from resources.recipes import RECIPES
from shelfsight.cli.first_estimates import FirstEstimates

MAX_RUNS = 50  # newest materializations that rates are taken from


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The expected cost of a run; None where it is unknown. `basis` says what it is taken from, or until when not."""

    seconds: float | None = None
    device_seconds: float | None = None
    disk_bytes: int | None = None
    basis: str


@dataclass(frozen=True, kw_only=True)
class Work:
    """The size of a run: `amount` of a `unit`. Only runs of the same `kind` have the same rate."""

    amount: float
    unit: str
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A former run: its partition, its work, and its cost."""

    partition: str
    work: Work
    seconds: float
    device_seconds: float | None = None
    disk_bytes: int | None = None


def estimate(work: Work, measured: Sequence[Measured]) -> Estimate | None:
    """Returns the cost of some work at the rate of the runs of its kind; None where none was measured."""
    same = [each for each in measured if each.work.kind == work.kind and each.work.amount > 0]
    total = sum(each.work.amount for each in same)
    if not total:
        return None
    scale = work.amount / total
    devices = [each.device_seconds for each in same if each.device_seconds is not None]
    disks = [each.disk_bytes for each in same if each.disk_bytes is not None]
    seconds = sum(each.seconds for each in same)
    of = f" of {work.kind}" if work.kind else ""
    return Estimate(
        seconds=round(seconds * scale, 1),
        device_seconds=round(sum(devices) * scale, 1) if len(devices) == len(same) else None,
        disk_bytes=round(sum(disks) * scale) if len(disks) == len(same) else None,
        basis=f"{work.amount:,.0f} {work.unit} at {_rate(total, seconds)} {work.unit}/s, measured by "
        f"{len(same)} run{'s' if len(same) > 1 else ''}{of}",
    )


def work_of_training(recipe: ClassifierRecipe, num_labels: int) -> Work:
    """Returns the work of training a classifier on so many labels; of a probe, the same for every encoder."""
    kind = f"fine-tuning {recipe.encoder}" if recipe.mode == "finetune" else "probes"
    return Work(amount=num_labels * recipe.optimization.epochs, unit="image epochs", kind=kind)


def work_of_encoding(recipe: EncoderRecipe, num_images: int) -> Work:
    """Returns the work of pretraining an encoder and embedding so many images, or of embedding alone."""
    size = f"{recipe.backbone} at {recipe.resolution} px"
    if recipe.pretraining is None:
        return Work(amount=num_images, unit="images", kind=f"embedding by {size}")
    amount = num_images * recipe.pretraining.optimization.epochs
    return Work(amount=amount, unit="image epochs", kind=f"{recipe.pretraining.method} of {size}")


class RunEstimates:
    """Estimates of planned runs by the history of an instance.

    Args:
        instance: The instance.
        first: Estimates of runs that have no comparable one; without them, they are unknown.
    """

    def __init__(self, instance: dg.DagsterInstance, first: FirstEstimates | None = None) -> None:
        self._instance, self._first = instance, first
        self._measured: dict[str, list[Measured]] = {}  # by job

    def of(self, run: PlannedRun) -> Estimate:
        """Returns the estimate of a run: by its own former runs, at a measured rate, or by other runs of its job."""
        if run.key is None and (mean := self._mean(run.job, None)):
            return mean
        if run.job in MEASURED_ASSETS and run.key is not None:
            return self._at_rate(run.job, run.key)
        if run.key is not None and (mean := self._mean(run.job, run.key) or self._mean(run.job, None)):
            return mean
        return Estimate(basis=f"unknown until a first run of {run.job}")

    def _at_rate(self, job: str, key: str) -> Estimate:
        work = self._work(job, key)
        if work is not None:
            if job not in self._measured:
                self._measured[job] = self._former(job)
            if found := estimate(work, self._measured[job]):
                return found
        if self._first is not None and (first := self._first.of(job, key)):
            seconds, basis = first
            return Estimate(seconds=round(seconds, 1), device_seconds=round(seconds, 1), basis=basis)
        if work is None:
            return Estimate(basis=f"unknown until {UNKNOWN_UNTIL[job]}")
        of = f" of {work.kind}" if work.kind else ""
        return Estimate(basis=f"unknown until a first run of {job}{of}")

    def _mean(self, job: str, key: str | None) -> Estimate | None:
        """The mean of the newest successful runs of a job, for one partition or for any."""
        tags = {} if key is None else {"dagster/partition": key}
        wanted = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS], tags=tags)
        records = self._instance.get_run_records(wanted, limit=5)
        seconds = [each.end_time - each.start_time for each in records if each.end_time and each.start_time]
        if not seconds:
            return None
        of = f"{job}[{key}]" if key else job
        mean = round(sum(seconds) / len(seconds), 1)
        return Estimate(seconds=mean, basis=f"mean of {len(seconds)} former run{'s' * (len(seconds) > 1)} of {of}")

    def _former(self, job: str) -> list[Measured]:
        """The newest run of each partition of a job, with its work."""
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(MEASURED_ASSETS[job]))
        found: dict[str, Measured] = {}
        for record in self._instance.fetch_materializations(wanted, limit=MAX_RUNS).records:
            made, run = record.asset_materialization, self._instance.get_run_record_by_id(record.run_id)
            if made is None or made.partition is None or made.partition in found or run is None:
                continue
            work = self._work(job, made.partition, made)
            if work is None or run.start_time is None or run.end_time is None or run.dagster_run.job_name != job:
                continue
            disk = _number(made.metadata, "bytes")
            found[made.partition] = Measured(
                partition=made.partition,
                work=work,
                seconds=run.end_time - run.start_time,
                device_seconds=self._device_seconds(job, made),
                disk_bytes=None if disk is None else int(disk),
            )
        return list(found.values())

    def _work(self, job: str, key: str, made: dg.AssetMaterialization | None = None) -> Work | None:
        """The work of a run to come, or of the one that made a materialization; None where it is unknown."""
        if job == "ingest":
            wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey("feed_files"), asset_partitions=[key])
            records = self._instance.fetch_observations(wanted, limit=1).records
            observed = records[0].asset_observation if records else None
            num_bytes = None if observed is None else _number(observed.metadata, "bytes")
            return None if num_bytes is None else Work(amount=num_bytes, unit="feed bytes")
        if job == "train":
            recipe = RECIPES.classifiers.get(key)
            if recipe is None:  # a search finds it
                return None
            num_labels = self._of_dataset("trainable_labels", recipe.label_fraction)
            num_labels = num_labels if made is None else _number(made.metadata, "num_labels")
            return None if num_labels is None else work_of_training(recipe, int(num_labels))
        if key not in RECIPES.encoders:
            return None
        num_images = self._of_dataset("num_rows", 1.0)
        if made is not None:
            num_images = _number(made.metadata, "embedded now")
        return None if num_images is None else work_of_encoding(RECIPES.encoder(key), int(num_images))

    def _device_seconds(self, job: str, made: dg.AssetMaterialization) -> float | None:
        """The device seconds of a run: those of embedding, and of the pretraining before it."""
        found = _number(made.metadata, "device_seconds")
        encoder = latest(self._instance, "encoders", made.partition) if job == "encode" else None
        pretraining = None if encoder is None else _number(encoder.metadata, "device_seconds")
        return found if found is None or pretraining is None else found + pretraining

    def _of_dataset(self, name: str, share: float) -> float | None:
        made = latest(self._instance, "dataset")
        number = None if made is None else _number(made.metadata, name)
        return None if number is None else number * share


# Job -> the asset whose materializations record its work, device seconds and bytes.
MEASURED_ASSETS = {"ingest": "images", "encode": "embeddings", "train": "classifiers"}
UNKNOWN_UNTIL = {
    "ingest": "its feed is registered",
    "encode": "the dataset is assembled",
    "train": "the dataset is assembled, and a recipe is found where a search has to find it",
}


def _number(metadata: Mapping[str, dg.MetadataValue], name: str) -> float | None:
    value = metadata[name].value if name in metadata else None
    return float(value) if isinstance(value, int | float) else None


def _rate(amount: float, seconds: float) -> str:
    return f"{amount / seconds:,.3g}" if seconds else "an immeasurable number of"
