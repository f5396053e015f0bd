"""Students: light classifiers distilled from a heavier one, evaluated and compared with it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from catalog.evaluation.data_efficiency import crossed_estimate
from catalog_assets.classifiers.classifiers import classifiers
from catalog_assets.classifiers.distiller import IN_TRAINING, NO_LABEL, Distiller
from catalog_assets.classifiers.ensembles import ensembles
from catalog_assets.classifiers.lookup import classifier_sha256, members_of
from catalog_assets.classifiers.predictor import Predictor
from catalog_assets.classifiers.student_evaluation import accuracy_and_cost, right_on_held_out
from catalog_assets.encoders.encoders import encoders
from catalog_assets.idioms.history import data_version
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.ingestion.taxonomies import taxonomy
from catalog_assets.partitions import encoder_of_student, ensemble_of_student, student_recipes, teacher_of_student
from ml.recipe_types import ClassifierRecipe, fingerprint
from resources.compute import Compute
from resources.images import StoredImages
from resources.mlflow.tracking import Tracking
from resources.recipes import RECIPES
from resources.store import Store

if TYPE_CHECKING:
    from ml.training.classification import Examples


@dg.asset(
    deps=[
        dg.AssetDep(classifiers, partition_mapping=teacher_of_student),
        dg.AssetDep(ensembles, partition_mapping=ensemble_of_student),
        dg.AssetDep(encoders, partition_mapping=encoder_of_student),
        taxonomy,
    ],
    partitions_def=student_recipes,
    io_manager_key="tables",
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "mlflow", "parquet"},
    code_version="2",
)
@retried(DEVICE)
def students(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Light classifiers distilled from a classifier or an ensemble, also on unlabeled images; a row each for both."""
    recipe = RECIPES.student(context.partition_key)
    assert recipe.distillation is not None  # noqa: S101 that is what makes it a student
    from ml.classifiers.timing import ms_per_image
    from ml.encoders.encoder import Encoder
    from ml.recipe_checks import require_trainable
    from ml.training.finetuning import TrainingCallbacks, train_classifier

    require_trainable(recipe, RECIPES.encoder(recipe.encoder))
    teacher = recipe.distillation.teacher
    with (
        tracking.run(context, {"teacher": teacher, "encoder": recipe.encoder}) as log,
        compute.session() as session,
    ):
        predictor = Predictor(dataset.collect(), store, stored_images, session.device)
        examples = _examples(recipe, teacher, predictor)
        with store.writing("students", recipe.name) as folder:
            callbacks = TrainingCallbacks(
                checkpoint=folder / "checkpoint.pt", on_epoch=log.epochs(recipe.name, context.log.info)
            )
            encoder = Encoder.load(store.sync_down("encoders", recipe.encoder))
            trained = train_classifier(recipe, encoder, examples, session.device, callbacks)
            figures: dict[str, int | float | str] = {
                "num_labels": int((examples.labels[:, -1] != NO_LABEL).sum()),
                "num_images": len(examples.labels),
                "trainable_labels": predictor.rows["label_rank"].count(),
                "device_seconds": trained.cost.device_s,
                "num_parameters": sum(parameter.numel() for parameter in trained.classifier.parameters()),
                "ms_per_image": ms_per_image(trained.classifier, session.device),
                "mlflow_run_id": log.run_id,
            }
            inputs = {
                **{f"teacher {each}": classifier_sha256(store, each) for each in members_of(teacher)},
                "encoder": store.fingerprint("encoders", recipe.encoder),
                "dataset": data_version(context.instance, "dataset"),
            }
            record = {**figures, "recipe": asdict(recipe), "recipe_sha256": fingerprint(recipe), "inputs": inputs}
            sha256 = trained.classifier.save(folder, record)
        (folder / "checkpoint.pt").unlink(missing_ok=True)
        names = {"student": recipe.name, "teacher": teacher}
        right = {role: right_on_held_out(predictor, name) for role, name in names.items()}
        rows = {role: accuracy_and_cost(predictor, name, right[role]) for role, name in names.items()}
    frame = pl.DataFrame([{"student": recipe.name, "role": role, **row} for role, row in rows.items()])
    behind = crossed_estimate((right["teacher"] - right["student"])[None])
    return dg.MaterializeResult(
        value=frame,
        data_version=dg.DataVersion(sha256),
        metadata={
            **figures,
            "compared with its teacher": dg.MetadataValue.md(table(frame.drop("student"))),
            "points behind its teacher": 100 * behind.value,
            "95 % interval": f"{100 * behind.low:.1f} to {100 * behind.high:.1f}",
            "times faster": rows["teacher"]["ms_per_image"] / rows["student"]["ms_per_image"],
            "peak_mib": session.peak_mib,
            "mlflow": dg.MetadataValue.url(log.url),
            "folder": dg.MetadataValue.path(str(folder)),
        },
    )


def _examples(recipe: ClassifierRecipe, teacher: str, predictor: Predictor) -> "Examples":
    """All training images with the labels of the recipe's share, and the teacher's predictions of each."""
    assert recipe.distillation is not None  # noqa: S101 that is what makes it a student
    from ml.classifiers.distillation import over_student_classes
    from ml.classifiers.hierarchy import Hierarchy
    from ml.training.classification import Examples

    distiller = Distiller(predictor)
    labels = distiller.labels(recipe.label_fraction)
    teacher_classes, log_probabilities = distiller.log_probabilities(teacher)
    _, pixels = predictor.inputs(recipe.name, IN_TRAINING)
    return Examples(
        inputs=pixels,
        labels=labels,
        teacher_log_probabilities=over_student_classes(Hierarchy.of_labels(labels), teacher_classes, log_probabilities),
        teacher_features=distiller.features(teacher) if recipe.distillation.feature_weight else None,
    )
