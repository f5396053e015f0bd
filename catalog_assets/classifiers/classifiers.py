"""Classifiers: one per recipe, an encoder with a head for each taxonomy level, trained on labeled images."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog_assets.classifiers.trained_recipes import trained_recipe
from catalog_assets.encoders.encoders import embeddings, encoders
from catalog_assets.idioms.history import data_version
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.stored_size import refuse_above_stored_size
from catalog_assets.partitions import classifier_recipes, encoder_of_classifier, search_of_classifier
from ml.recipe_types import ClassifierRecipe, fingerprint
from resources.artifacts.embeddings import StoredEmbeddings
from resources.compute import Compute
from resources.images import StoredImages
from resources.mlflow.tracking import Tracking
from resources.recipes import RECIPES
from resources.store import Store

if TYPE_CHECKING:
    from ml.training.classification import Examples


@dg.asset(
    deps=[
        dg.AssetDep(encoders, partition_mapping=encoder_of_classifier),
        dg.AssetDep(embeddings, partition_mapping=encoder_of_classifier),
        dg.AssetDep("searches", partition_mapping=search_of_classifier),
    ],
    partitions_def=classifier_recipes,
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "mlflow"},
    code_version="1",
)
@retried(DEVICE)
def classifiers(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult[None]:
    """Image classifiers onto four taxonomy levels: probes, fine-tuned encoders, recipes found by searches."""
    recipe = trained_recipe(store, context.partition_key)
    from ml.classifiers.timing import ms_per_image
    from ml.encoders.encoder import Encoder
    from ml.recipe_checks import require_trainable
    from ml.training.finetuning import TrainingCallbacks, train_classifier

    require_trainable(recipe, RECIPES.encoder(recipe.encoder))
    rows = dataset.collect()
    refuse_above_stored_size(RECIPES.encoder(recipe.encoder), rows, store, stored_images)
    encoder = Encoder.load(store.sync_down("encoders", recipe.encoder))
    training = _training(recipe, rows, store, stored_images)
    validation = _examples(recipe, rows, (pl.col("split") == "val") & labeled, store, stored_images)
    params = {"encoder": recipe.encoder, "mode": recipe.mode, "labels": len(training.labels)}
    with (
        store.writing("classifiers", recipe.name) as folder,
        tracking.run(context, params) as log,
        compute.session() as session,
    ):
        checkpoint = folder / "checkpoint.pt"
        callbacks = TrainingCallbacks(
            validation=validation if len(validation.labels) else None,
            checkpoint=checkpoint,
            on_epoch=log.epochs(recipe.name, context.log.info),
        )
        trained = train_classifier(recipe, encoder, training, session.device, callbacks)
        figures: dict[str, int | float | str] = {
            "num_labels": len(training.labels),
            "trainable_labels": rows["label_rank"].count(),
            "device_seconds": trained.cost.device_s,
            "num_parameters": sum(parameter.numel() for parameter in trained.classifier.parameters()),
            "ms_per_image": ms_per_image(trained.classifier, session.device),
            "mlflow_run_id": log.run_id,
        }
        sha256 = trained.classifier.save(
            folder,
            {
                **figures,
                "recipe": asdict(recipe),
                "recipe_sha256": fingerprint(recipe),
                "inputs": {
                    "encoder": store.fingerprint("encoders", recipe.encoder),
                    "dataset": data_version(context.instance, "dataset"),
                },
            },
        )
    checkpoint.unlink(missing_ok=True)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(sha256),
        metadata={
            **figures,
            "encoder": recipe.encoder,
            "origin": trained.classifier.encoder.origin,
            "peak_mib": session.peak_mib,
            "mlflow": dg.MetadataValue.url(log.url),
            "folder": dg.MetadataValue.path(str(folder)),
        },
    )


def inputs_of(
    recipe: ClassifierRecipe, rows: pl.DataFrame, chosen: pl.Expr, store: Store, stored_images: StoredImages
) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the chosen rows and their inputs: embeddings (num_rows, dim) to probe, pixels (num_rows, 3, h, w) to tune.

    Raises ValueError where the encoder's embeddings lack a chosen image or are of another version of the encoder.
    """
    positions = np.flatnonzero(rows.select(chosen.fill_null(value=False)).to_series().to_numpy())
    chosen_rows = rows[positions]
    if recipe.mode == "finetune":
        encoder = RECIPES.encoder(recipe.encoder)
        return chosen_rows, stored_images.pixels(rows, encoder.resolution, encoder.fit)[positions]
    return chosen_rows, StoredEmbeddings(store, recipe.encoder).of(chosen_rows)


def _training(recipe: ClassifierRecipe, rows: pl.DataFrame, store: Store, stored_images: StoredImages) -> "Examples":
    """The labeled training examples, with business values and unlabeled inputs where the recipe uses them."""
    is_labeled = (pl.col("label_rank") < recipe.label_fraction).fill_null(value=False)
    training = _examples(recipe, rows, is_labeled, store, stored_images)
    if recipe.loss == "value_weighted":
        training = replace(training, values=store.business_values(store.taxonomy()))
    if recipe.semi_supervised is not None:
        _, unlabeled = inputs_of(recipe, rows, (pl.col("split") == "train") & ~is_labeled, store, stored_images)
        training = replace(training, unlabeled=unlabeled)
    return training


def _examples(
    recipe: ClassifierRecipe, rows: pl.DataFrame, chosen: pl.Expr, store: Store, stored_images: StoredImages
) -> "Examples":
    from ml.training.classification import Examples

    chosen_rows, inputs = inputs_of(recipe, rows, chosen, store, stored_images)
    return Examples(inputs=inputs, labels=chosen_rows.select(LEVEL_COLUMNS).to_numpy())
