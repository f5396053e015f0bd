"""Classifiers: one per recipe, an encoder with a head for each level of the taxonomy, trained on labelled pictures."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog_assets.encoders import embeddings, encoders
from catalog_assets.history import data_version
from catalog_assets.partitions import classifier_recipes, of_its_encoder, of_its_search
from catalog_assets.trained import trained_recipe
from ml.recipe_types import ClassifierRecipe, fingerprint
from ml.recipes import encoder_recipe
from resources.compute import Compute
from resources.embeddings import StoredEmbeddings
from resources.pictures import Pictures
from resources.store import Store
from resources.tracking import Tracking

if TYPE_CHECKING:
    from ml.training.classification import Examples

LEVEL_COLUMNS = ["level_1", "level_2", "level_3", "level_4"]


@dg.asset(
    deps=[
        dg.AssetDep(encoders, partition_mapping=of_its_encoder),
        dg.AssetDep(embeddings, partition_mapping=of_its_encoder),
        dg.AssetDep("searches", partition_mapping=of_its_search),
    ],
    partitions_def=classifier_recipes,
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "mlflow"},
    code_version="1",
)
def classifiers(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult[None]:
    """Image classifiers onto four taxonomy levels: probes on embeddings, fine-tuned encoders, what searches found."""
    recipe = trained_recipe(store, context.partition_key)
    from ml.classifiers.timing import ms_per_picture
    from ml.encoders import Encoder
    from ml.training.finetuning import Watch, train_classifier

    rows = dataset.collect()
    encoder = Encoder.load(store.here("encoders", recipe.encoder))
    training = _training(recipe, rows, store, pictures)
    validation = _examples(recipe, rows, (pl.col("split") == "val") & labelled, store, pictures)
    folder = store.scratch / "classifiers" / recipe.name
    checkpoint = folder / "checkpoint.pt"
    params = {"encoder": recipe.encoder, "mode": recipe.mode, "labels": len(training.labels)}
    with tracking.run(context, params) as log, compute.session() as session:
        watch = Watch(
            validation=validation if len(validation.labels) else None,
            checkpoint=checkpoint,
            on_epoch=log.epochs(recipe.name, context.log.info),
        )
        made = train_classifier(recipe, encoder, training, session.device, watch)
        facts: dict[str, int | float | str] = {
            "num_labels": len(training.labels),
            "trainable_labels": rows["label_rank"].count(),
            "device_seconds": made.cost.device_s,
            "num_parameters": sum(parameter.numel() for parameter in made.classifier.parameters()),
            "ms_per_picture": ms_per_picture(made.classifier, session.device),
            "mlflow_run_id": log.run_id,
        }
    sha256 = made.classifier.save(
        folder,
        {
            **facts,
            "recipe": asdict(recipe),
            "recipe_sha256": fingerprint(recipe),
            "inputs": {
                "encoder": store.fingerprint("encoders", recipe.encoder),
                "dataset": data_version(context.instance, "dataset"),
            },
        },
    )
    store.put_back("classifiers", recipe.name)
    checkpoint.unlink(missing_ok=True)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(sha256),
        metadata={
            **facts,
            "encoder": recipe.encoder,
            "origin": made.classifier.encoder.origin,
            "peak_mib": session.peak_mib,
            "mlflow": dg.MetadataValue.url(log.url),
            "folder": dg.MetadataValue.path(str(folder)),
        },
    )


labelled = pl.col("level_4").is_not_null()


def inputs_of(
    recipe: ClassifierRecipe, rows: pl.DataFrame, chosen: pl.Expr, store: Store, pictures: Pictures
) -> tuple[pl.DataFrame, np.ndarray]:
    """The chosen rows, and what the classifier takes of them: embeddings to probe, pixels to fine-tune.

    Raises ValueError where the encoder's embeddings lack a chosen picture, or another version of the encoder made them.
    """
    positions = np.flatnonzero(rows.select(chosen.fill_null(value=False)).to_series().to_numpy())
    wanted = rows[positions]
    if recipe.mode == "finetune":
        resolution = encoder_recipe(recipe.encoder).resolution
        return wanted, pictures.pixels(rows, resolution)[positions]
    return wanted, StoredEmbeddings(store, recipe.encoder).of(wanted)


def _training(recipe: ClassifierRecipe, rows: pl.DataFrame, store: Store, pictures: Pictures) -> "Examples":
    """What a classifier learns from: labels, and what its recipe's loss and semi-supervision ask for besides."""
    is_labelled = (pl.col("label_rank") < recipe.label_fraction).fill_null(value=False)
    training = _examples(recipe, rows, is_labelled, store, pictures)
    if recipe.loss == "value_weighted":
        training = replace(training, values=store.business_values(store.taxonomy()))
    if recipe.semi_supervised is not None:
        _, unlabelled = inputs_of(recipe, rows, (pl.col("split") == "train") & ~is_labelled, store, pictures)
        training = replace(training, unlabelled=unlabelled)
    return training


def _examples(
    recipe: ClassifierRecipe, rows: pl.DataFrame, chosen: pl.Expr, store: Store, pictures: Pictures
) -> "Examples":
    from ml.training.classification import Examples

    wanted, inputs = inputs_of(recipe, rows, chosen, store, pictures)
    return Examples(inputs=inputs, labels=wanted.select(LEVEL_COLUMNS).to_numpy())
