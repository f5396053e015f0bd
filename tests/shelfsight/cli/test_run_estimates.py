"""Estimates of planned runs: rates of comparable runs, their basis, and what is unknown until when."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_assets.flow import PlannedRun
from ml.recipes import ENCODER_RECIPES, FINETUNE_5PCT, PROBE
from resources.recipes import RECIPES
from shelfsight.cli.run_estimates import (
    Measured,
    RunEstimates,
    Work,
    estimate,
    work_of_encoding,
    work_of_training,
)

SMALL = Measured(partition="a", work=Work(amount=100, unit="images", kind="k"), seconds=10.0, device_seconds=8.0)


def test_a_run_takes_the_rate_of_all_comparable_runs() -> None:
    large = Measured(partition="b", work=Work(amount=300, unit="images", kind="k"), seconds=30.0, device_seconds=12.0)
    other = Measured(partition="c", work=Work(amount=1, unit="images", kind="other"), seconds=999.0)
    found = estimate(Work(amount=200, unit="images", kind="k"), [SMALL, large, other])
    assert found is not None
    assert (found.seconds, found.device_seconds, found.disk_bytes) == (20.0, 10.0, None)
    assert found.basis == "200 images at 10 images/s, measured by 2 runs of k"


@given(amount=st.integers(1, 10**9), factor=st.integers(1, 1000))
def test_an_estimate_is_proportional_to_the_work(amount: int, factor: int) -> None:
    once = estimate(Work(amount=amount, unit="images", kind="k"), [SMALL])
    more = estimate(Work(amount=amount * factor, unit="images", kind="k"), [SMALL])
    assert once is not None
    assert more is not None
    assert more.seconds == pytest.approx(factor * (amount * 0.1), abs=0.1)


def test_nothing_comparable_gives_no_number() -> None:
    assert estimate(Work(amount=1, unit="images", kind="other"), [SMALL]) is None
    assert estimate(SMALL.work, []) is None
    assert estimate(SMALL.work, [replace(SMALL, work=replace(SMALL.work, amount=0))]) is None


def test_the_work_of_trainings_is_images_times_epochs_by_encoder_and_method() -> None:
    tuned = work_of_training(FINETUNE_5PCT, 1_000)
    epochs = FINETUNE_5PCT.optimization.epochs
    assert (tuned.amount, tuned.unit, tuned.kind) == (1_000 * epochs, "image epochs", "fine-tuning simclr-mnv3")
    assert work_of_training(PROBE, 1_000).kind == "probes"
    simclr = ENCODER_RECIPES["simclr-mnv3"]
    assert simclr.pretraining is not None
    pretrained = work_of_encoding(simclr, 1_000)
    assert pretrained.amount == 1_000 * simclr.pretraining.optimization.epochs
    assert pretrained.kind == "simclr of mobilenetv3_small_050 at 48 px"
    loaded = work_of_encoding(ENCODER_RECIPES["imagenet-lite0"], 1_000)
    assert (loaded.amount, loaded.kind) == (1_000, "embedding by tf_efficientnet_lite0 at 64 px")


KEYS = dg.StaticPartitionsDefinition(["simclr-mnv3-finetune-5pct", "simclr-mnv3-hierarchical-5pct"])


@dg.asset(partitions_def=KEYS)
def classifiers() -> dg.MaterializeResult[None]:
    """A training of 50 labels."""
    return dg.MaterializeResult(metadata={"num_labels": 50, "device_seconds": 3.0})


@dg.asset
def dataset() -> dg.MaterializeResult[None]:
    """A dataset of 2,000 labels, so 100 of them are 5 %."""
    return dg.MaterializeResult(metadata={"trainable_labels": 2_000})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def launch(instance: dg.DagsterInstance, job: str, asset: dg.AssetsDefinition, key: str | None = None) -> None:
    """Run a job of one asset."""
    made = dg.Definitions(assets=[asset], jobs=[dg.define_asset_job(job, selection=[asset])])
    assert made.resolve_job_def(job).execute_in_process(instance=instance, partition_key=key).success


def test_a_training_that_never_ran_is_estimated_by_another_of_its_encoder(instance: dg.DagsterInstance) -> None:
    planned = PlannedRun("train", "simclr-mnv3-finetune-5pct", ("classifiers",))
    assert RunEstimates(instance).of(planned).basis.startswith("unknown until the dataset is assembled")
    launch(instance, "assemble", dataset)
    assert RunEstimates(instance).of(planned).basis == ("unknown until a first run of train of fine-tuning simclr-mnv3")
    launch(instance, "train", classifiers, "simclr-mnv3-hierarchical-5pct")
    found = RunEstimates(instance).of(planned)
    assert found.device_seconds == 6.0  # of twice the labels
    assert found.seconds is not None
    epochs = RECIPES.classifier("simclr-mnv3-finetune-5pct").optimization.epochs
    assert found.basis.startswith(f"{100 * epochs} image epochs at ")
    assert found.basis.endswith("measured by 1 run of fine-tuning simclr-mnv3")
    probe = RunEstimates(instance).of(PlannedRun("train", "imagenet-lite0-probe", ("classifiers",)))
    assert (probe.seconds, probe.basis) == (None, "unknown until a first run of train of probes")


def test_other_jobs_take_the_mean_of_their_former_runs(instance: dg.DagsterInstance) -> None:
    planned = PlannedRun("assemble", None, ("dataset",))
    assert RunEstimates(instance).of(planned).basis == "unknown until a first run of assemble"
    launch(instance, "assemble", dataset)
    found = RunEstimates(instance).of(planned)
    assert found.seconds is not None
    assert found.basis == "mean of 1 former run of assemble"
