"""The deployment: the champion in the fastest variant on this machine that loses no accuracy."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import dagster as dg
import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog.dataset.splits import in_selection_half
from catalog.evaluation.comparison import mcnemar_mid_p
from catalog.storage.cores import num_cores
from catalog_assets.evaluation.confidence import CALIBRATED_ON
from catalog_assets.evaluation.promoted import current_champion, promoted_classifier, promoted_predictions
from catalog_assets.idioms.conditions import when_champion_changes
from catalog_assets.idioms.markdown import records
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.serving.pointer import put_in_use, read_pointer, repair_alias
from ml.deployment.deployment import current_folder, read_metadata
from resources.artifacts.deployments import CANDIDATES
from resources.compute import Compute
from resources.images import StoredImages
from resources.mlflow.serving import MODEL
from resources.mlflow.tracking import Tracking
from resources.predictor import BATCH_SIZE
from resources.setting_fields import COVERAGES
from resources.store import Store

CHECK = "predicts_as_the_champion"
MAX_P = 0.05  # a loss that chance explains is none


@dg.asset(
    deps=["champion"],
    pool="device",
    group_name="serving",
    kinds={"openvino", "onnx", "mlflow"},
    code_version="2",
    automation_condition=when_champion_changes,
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="deployment",
            blocking=True,
            description="The exported files lose at most half a point on the images that the champion was promoted by.",
        )
    ],
)
@retried(DEVICE)
def deployment(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The champion exported (safetensors, ONNX, OpenVINO in 16 and 8 bits), each variant timed and evaluated here.

    Temperature and thresholds are those of the chosen variant, on validation images: one half of their groups fits the
    temperature, the other chooses the thresholds. An accepted deployment becomes a version of the MLflow model
    `deployment`.
    """
    from ml.classifiers.classifier import Classifier
    from ml.deployment.deploy import MAX_LOST_POINTS, DeploymentCriteria, Validation, deploy
    from ml.deployment.deployment import METADATA_FILE, Deployment
    from ml.deployment.variants import Machine
    from ml.file_digests import file_sha256
    from ml.pixels import PixelSubset

    former = read_pointer(store)  # before the champion: a deployment of a newer one meanwhile is not replaced
    repair_alias(store, tracking)
    champion = current_champion(store)
    if champion is None:
        raise dg.Failure("there is no champion to deploy; materialize the asset 'champion' first")
    classifier = Classifier.load(promoted_classifier(store, champion["sha256"]))
    rows = dataset.collect().with_row_index("position")
    pixels = stored_images.pixels(rows, classifier.encoder.resolution, classifier.encoder.fit)
    chosen = rows.filter((pl.col("split") == CALIBRATED_ON) & labeled)
    validation = Validation(
        pixels=PixelSubset(pixels, chosen["position"].to_numpy().astype(np.intp)),
        labels=chosen.select(LEVEL_COLUMNS).to_numpy(),
        fits=in_selection_half(chosen["group_id"]).to_numpy(),
    )
    source = {"classifier": champion["classifier"], "classifier_sha256": champion["sha256"]}
    # A folder of its own, on this machine until the check has passed: the current deployment stays in use meanwhile.
    name = f"{champion['sha256'][:16]}-{context.run.run_id[:8]}"
    folder = store.scratch / CANDIDATES / name
    with tracking.run(context, source) as log, compute.session() as session:
        machine = Machine(device=session.device.type, num_threads=num_cores(), batch_size=BATCH_SIZE)
        current_variant = _current_variant(store, champion["sha256"])
        criteria = DeploymentCriteria(coverages=COVERAGES, current_variant=current_variant)
        # The served model decodes as the download has decoded what the classifier was trained on.
        served_facts = {**source, "image_rules": asdict(stored_images.rules)}
        facts = deploy(classifier, folder, validation, machine, criteria, served_facts)
        log({f"images_per_s/{each['variant']}": each["images_per_s"] for each in facts["variants"]})
        evaluated = _evaluated(promoted_predictions(store, champion["sha256"]), rows)
        predicted = Deployment.load(folder, machine).best_leaves(
            PixelSubset(pixels, evaluated["position"].to_numpy().astype(np.intp))
        )
        compared = _Comparison.of(evaluated.with_columns(deployed=pl.Series(predicted)))
        is_accepted = compared.lost_points <= MAX_LOST_POINTS or compared.p_value >= MAX_P
        registered: dict[str, str] = {}
        if is_accepted:
            deployed = put_in_use(store, tracking, log.run_id, folder, facts, former)
            folder, registered = deployed.folder, {"registered as": f"models:/{MODEL}/{deployed.version}"}
    variants = pl.DataFrame(facts["variants"]).with_columns(chosen=pl.col("variant") == facts["variant"])
    [chosen_variant] = variants.filter("chosen").rows(named=True)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(file_sha256(folder / METADATA_FILE)),
        metadata={
            "classifier": champion["classifier"],
            "variant": facts["variant"],
            "variants": records(variants),
            "images_per_s": chosen_variant["images_per_s"],
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
        passed=is_accepted,
        description=(
            f"{facts['variant']}, read from its files, is right on {compared.num_right:,} of the {len(evaluated):,} "
            f"images that {champion['classifier']!r} was promoted by: {compared.lost_points:.2f} points fewer than it "
            f"(p = {compared.p_value:.3f})" + ("" if is_accepted else "; the former deployment stays in use")
        ),
        metadata={"variants": records(variants), "lost_points": compared.lost_points, "p_value": compared.p_value},
    )


def _current_variant(store: Store, sha256: str) -> str | None:
    """Return the variant in which this classifier is already deployed; None if it is not."""
    try:
        facts = read_metadata(current_folder(store.path))
    except FileNotFoundError:
        return None
    return str(facts["variant"]) if facts["classifier_sha256"] == sha256 else None


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """A deployment compared with the champion's predictions: images it is right on, points lost, McNemar's mid-p."""

    num_right: int
    lost_points: float
    p_value: float

    @classmethod
    def of(cls, predictions: pl.DataFrame) -> "_Comparison":
        """Compares the columns `deployed` and `champion` with the column `true`."""
        right, before = (predictions["true"] == predictions[side] for side in ("deployed", "champion"))
        gained, lost = int((right & ~before).sum()), int((before & ~right).sum())
        points = 100 * (lost - gained) / len(predictions)
        return cls(num_right=int(right.sum()), lost_points=points, p_value=mcnemar_mid_p(gained, lost))


def _evaluated(predictions: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The images that the champion was promoted by and that still exist: position, true, the champion's prediction."""
    decisive = predictions.select("product_id", true="true_4", champion=pl.col("top_4").list.first())
    evaluated = rows.select("product_id", "position").join(decisive, on="product_id", maintain_order="left")
    if evaluated.is_empty():
        raise dg.Failure(
            f"none of the {len(decisive)} images that the champion was promoted by is in the dataset; materialize "
            "predictions, metrics and champion again"
        )
    return evaluated
