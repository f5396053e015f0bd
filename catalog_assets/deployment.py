"""The deployment: the champion in the form that answers fastest on this machine and still as well."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from catalog.comparison import mcnemar_mid_p
from catalog.splits import are_choosing
from catalog_assets.candidates import kept_folder, kept_record
from catalog_assets.classifiers import LEVEL_COLUMNS, labelled
from catalog_assets.conditions import when_champion_changes
from catalog_assets.confidence import CALIBRATED_ON, COVERAGES
from catalog_assets.markdown import records
from ml.deployment.deployment import current_folder, facts_of
from resources.compute import Compute, num_cores
from resources.labeller import BATCH_SIZE
from resources.pictures import Pictures
from resources.serving import MODEL, register_served
from resources.store import Store
from resources.tracking import Tracking

CHECK = "answers_as_the_champion"
MAX_P = 0.05  # a loss that chance explains is none


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
            description="What answers, read from its files, loses at most half a point on what made the champion one.",
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
    from ml.deployment.deploying import MAX_LOST_POINTS, Terms, Validation, deploy
    from ml.deployment.deployment import FACTS_FILE, POINTER, Deployment
    from ml.deployment.variants import Machine
    from ml.file_digests import file_sha256
    from ml.pixels import Chosen

    held = store.read_json("champion", "champion.json")
    if held is None:
        raise dg.Failure("there is no champion to deploy; materialise the asset 'champion' first")
    kept_record(store, held["sha256"])
    classifier = Classifier.load(kept_folder(store, held["sha256"]))
    rows = dataset.collect().with_row_index("place")
    pixels = pictures.pixels(rows, classifier.encoder.resolution)
    chosen = rows.filter((pl.col("split") == CALIBRATED_ON) & labelled)
    validation = Validation(
        pixels=Chosen(pixels, chosen["place"].to_numpy().astype(np.intp)),
        labels=chosen.select(LEVEL_COLUMNS).to_numpy(),
        fits=are_choosing(chosen["group_id"]).to_numpy(),
    )
    named = {"classifier": held["classifier"], "classifier_sha256": held["sha256"]}
    # A folder of its own: what answers until now goes on to, whatever becomes of this one.
    folder = store.scratch / "deployment" / f"{held['sha256'][:16]}-{context.run.run_id[:8]}"
    with tracking.run(context, named) as log, compute.session() as session:
        machine = Machine(device=session.device.type, num_threads=num_cores(), batch_size=BATCH_SIZE)
        terms = Terms(coverages=COVERAGES, answering=_answering(store, held["sha256"]))
        facts = deploy(classifier, folder, validation, machine, terms, named)
        log({f"pictures_per_s/{form['variant']}": form["pictures_per_s"] for form in facts["forms"]})
        judged = _judged(kept_folder(store, held["sha256"]), rows)
        said = Deployment.load(folder, machine).best_leaves(Chosen(pixels, judged["place"].to_numpy().astype(np.intp)))
        beside = _Beside.of(judged.with_columns(deployed=pl.Series(said)))
        is_good = beside.lost_points <= MAX_LOST_POINTS or beside.p_value >= MAX_P
        registered = {}
        if is_good:
            store.put_back("deployment", folder.name)
            served = register_served(tracking, log.run_id, folder, facts)
            registered = {"registered as": f"models:/{MODEL}/{served}"}
            before = store.read_json(*POINTER) or {}
            store.write_json({"folder": folder.name, "former": before.get("folder")}, *POINTER)
    forms = pl.DataFrame(facts["forms"]).with_columns(chosen=pl.col("variant") == facts["variant"])
    [form] = forms.filter("chosen").rows(named=True)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(file_sha256(folder / FACTS_FILE)),
        metadata={
            "classifier": held["classifier"],
            "form": facts["variant"],
            "forms": records(forms),
            "pictures_per_s": form["pictures_per_s"],
            "temperature": facts["temperature"],
            "thresholds": facts["thresholds"],
            **registered,
            "mlflow": dg.MetadataValue.url(log.url),
            "device_seconds": session.device_seconds,
            "folder": dg.MetadataValue.path(str(folder)),
        },
    )
    yield dg.AssetCheckResult(
        check_name=CHECK,
        passed=is_good,
        description=(
            f"{facts['variant']}, read from its files, is right on {beside.num_right:,} of the {len(judged):,} "
            f"pictures that made {held['classifier']!r} champion: {beside.lost_points:.2f} points less than it (p = "
            f"{beside.p_value:.3f})" + ("" if is_good else "; the former deployment goes on to answer")
        ),
        metadata={"forms": records(forms), "lost_points": beside.lost_points, "p_value": beside.p_value},
    )


def _answering(store: Store, sha256: str) -> str | None:
    """The form in which this classifier answers already; None where another does, or none."""
    try:
        facts = facts_of(current_folder(store.path))
    except FileNotFoundError:
        return None
    return str(facts["variant"]) if facts["classifier_sha256"] == sha256 else None


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """A deployment beside what the champion itself answered: pictures it is right on, points lost, McNemar's mid-p."""

    num_right: int
    lost_points: float
    p_value: float

    @classmethod
    def of(cls, answers: pl.DataFrame) -> "_Beside":
        """Of the columns true, champion and deployed."""
        right, before = (answers["true"] == answers[side] for side in ("deployed", "champion"))
        gained, lost = int((right & ~before).sum()), int((before & ~right).sum())
        points = 100 * (lost - gained) / len(answers)
        return cls(num_right=int(right.sum()), lost_points=points, p_value=mcnemar_mid_p(gained, lost))


def _judged(kept: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """The pictures that made the champion one and are still there: place, true, and what the champion answered."""
    answers = pl.read_parquet(kept / "answers.parquet", glob=False).select(
        "product_id", true="true_4", champion=pl.col("top_4").list.first()
    )
    judged = rows.select("product_id", "place").join(answers, on="product_id", maintain_order="left")
    if judged.is_empty():
        raise dg.Failure(
            f"none of the {len(answers)} pictures that made the champion one is in the dataset any more; materialise "
            "predictions, metrics and champion again"
        )
    return judged
