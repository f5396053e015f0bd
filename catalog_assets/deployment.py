"""The deployment: the champion in the form that answers fastest on this machine and still as well."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from catalog.splits import are_choosing
from catalog_assets.candidates import kept_folder, kept_record
from catalog_assets.classifiers import LEVEL_COLUMNS, labelled
from catalog_assets.conditions import when_champion_changes
from catalog_assets.markdown import records
from resources.compute import Compute, num_cores
from resources.labeller import BATCH_SIZE
from resources.pictures import Pictures
from resources.serving import MODEL, register_served
from resources.store import Store
from resources.tracking import Tracking

CHECK = "loses_little"
COVERAGES = (0.8, 0.9, 0.95)
CALIBRATED_ON = "val"
POINTER = ("deployment", "current.json")


@dg.asset(
    deps=["champion"],
    pool="device",
    group_name="catalogue",
    kinds={"openvino", "onnx", "mlflow"},
    code_version="1",
    automation_condition=when_champion_changes,
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="deployment",
            blocking=True,
            description="What answers, read from its files, loses at most half a point of validation top-1.",
        )
    ],
)
def deployment(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The champion exported (safetensors, ONNX, OpenVINO in 16 and 8 bits), each form timed and judged here.

    Temperature and thresholds are those of the chosen form, by validation pictures: one half of their groups fits the
    temperature, the other chooses the thresholds. What answers is also a version of the MLflow model `deployment`.
    """
    from ml.classifiers.classifier import Classifier
    from ml.deployment.deploying import MAX_LOST_POINTS, Validation, deploy, lost_points
    from ml.deployment.deployment import FACTS_FILE, fingerprint
    from ml.deployment.variants import Machine
    from ml.pixels import Chosen

    held = store.read_json("champion", "champion.json")
    if held is None:
        raise dg.Failure("there is no champion to deploy; materialise the asset 'champion' first")
    kept_record(store, held["sha256"])
    classifier = Classifier.load(kept_folder(store, held["sha256"]))
    rows = dataset.collect().with_row_index("place")
    chosen = rows.filter((pl.col("split") == CALIBRATED_ON) & labelled)
    validation = Validation(
        pixels=Chosen(pictures.pixels(rows, classifier.encoder.resolution), chosen["place"].to_numpy().astype(int)),
        labels=chosen.select(LEVEL_COLUMNS).to_numpy(),
        fits=are_choosing(chosen["group_id"]).to_numpy(),
    )
    folder = store.local / "deployment" / held["sha256"][:16]
    with tracking.run(context, {"classifier": held["classifier"]}) as log, compute.session() as session:
        machine = Machine(device=session.device.type, num_threads=num_cores(), batch_size=BATCH_SIZE)
        facts = deploy(
            classifier,
            folder,
            validation,
            machine,
            COVERAGES,
            {"classifier": held["classifier"], "classifier_sha256": held["sha256"]},
        )
        lost = lost_points(folder, classifier, validation, machine)
        log({f"pictures_per_s/{form['variant']}": form["pictures_per_s"] for form in facts["forms"]})
        served = register_served(tracking, log.run_id, folder, facts)
    store.write_json({"folder": folder.name}, *POINTER)
    forms = pl.DataFrame(facts["forms"]).with_columns(chosen=pl.col("variant") == facts["variant"])
    [form] = forms.filter("chosen").rows(named=True)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(fingerprint(folder / FACTS_FILE)),
        metadata={
            "classifier": held["classifier"],
            "form": facts["variant"],
            "forms": records(forms),
            "pictures_per_s": form["pictures_per_s"],
            "temperature": facts["temperature"],
            "thresholds": facts["thresholds"],
            "registered as": f"models:/{MODEL}/{served}",
            "mlflow": dg.MetadataValue.url(log.url),
            "device_seconds": session.device_seconds,
            "folder": dg.MetadataValue.path(str(folder)),
        },
    )
    yield dg.AssetCheckResult(
        check_name=CHECK,
        passed=lost <= MAX_LOST_POINTS,
        description=(
            f"{facts['variant']} answers for {form['pictures_per_s']:,.0f} pictures a second and, read from its files, "
            f"loses {lost:.2f} points of {100 * forms['top1'][0]:.1f} on {facts['num_judged']:,} validation pictures"
        ),
        metadata={"forms": records(forms)},
    )


def current_deployment(store: Store) -> tuple[Path, dict[str, Any]]:
    """The folder of the deployment that answers, and its facts.

    Raises:
        FileNotFoundError: nothing was deployed yet.
    """
    pointer = store.read_json(*POINTER)
    facts = pointer and store.read_json("deployment", pointer["folder"], "deployment.json")
    if not pointer or not facts:
        raise FileNotFoundError("nothing is deployed; materialise the asset 'deployment' first")
    return store.local / "deployment" / pointer["folder"], facts
