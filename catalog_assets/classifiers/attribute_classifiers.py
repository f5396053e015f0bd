"""Attribute classifiers: tasks besides the categories, such as color or age group, over the same encoders."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from catalog.products.attribute_labels import attribute_labels, learnable
from catalog_assets.classifiers.classifiers import inputs_of
from catalog_assets.encoders.encoders import embeddings, encoders
from catalog_assets.idioms.history import data_version
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.partitions import attribute_recipes, encoder_of_attribute
from ml.recipe_types import AttributeRecipe, fingerprint
from resources.compute import Compute
from resources.images import StoredImages
from resources.mlflow.tracking import Tracking
from resources.recipes import RECIPES
from resources.store import Store

if TYPE_CHECKING:
    from ml.training.classification import Examples

FOLDER = "attribute_classifiers"

all_products = dg.AssetDep("products", partition_mapping=dg.AllPartitionMapping())


@dg.asset(
    deps=[
        dg.AssetDep(encoders, partition_mapping=encoder_of_attribute),
        dg.AssetDep(embeddings, partition_mapping=encoder_of_attribute),
        all_products,
    ],
    partitions_def=attribute_recipes,
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "mlflow"},
    code_version="1",
)
@retried(DEVICE)
def attribute_classifiers(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult[None]:
    """Classifiers of an attribute of products, one per recipe, over an encoder of the library."""
    recipe = RECIPES.attribute(context.partition_key)
    from ml.encoders.encoder import Encoder
    from ml.recipe_checks import require_trainable
    from ml.training.finetuning import TrainingCallbacks, train_classifier

    require_trainable(recipe.classifier, RECIPES.encoder(recipe.classifier.encoder), num_levels=1)
    rows = dataset.collect()
    labels = attribute_labels(rows, store.scan("products"), recipe.column)
    classes = learnable(labels, rows["split"] == "train", recipe.min_images)
    indices = labels.replace_strict(classes, range(len(classes)), default=None, return_dtype=pl.Int64)
    rows = rows.with_columns(label=indices)
    training, validation = (_examples(recipe, rows, split, store, stored_images) for split in ("train", "val"))
    params = {"encoder": recipe.classifier.encoder, "column": recipe.column, "labels": len(training.labels)}
    with (
        store.writing(FOLDER, recipe.name) as folder,
        tracking.run(context, params) as log,
        compute.session() as session,
    ):
        callbacks = TrainingCallbacks(
            validation=validation if len(validation.labels) else None,
            checkpoint=folder / "checkpoint.pt",
            on_epoch=log.epochs(recipe.name, context.log.info),
        )
        encoder = Encoder.load(store.sync_down("encoders", recipe.classifier.encoder))
        trained = train_classifier(recipe.classifier, encoder, training, session.device, callbacks)
        figures: dict[str, int | float | str] = {
            "num_labels": len(training.labels),
            "num_classes": len(classes),
            "device_seconds": trained.cost.device_s,
            "mlflow_run_id": log.run_id,
        }
        inputs = {
            "encoder": store.fingerprint("encoders", recipe.classifier.encoder),
            "dataset": data_version(context.instance, "dataset"),
        }
        record = {"classes": classes, "recipe": asdict(recipe), "recipe_sha256": fingerprint(recipe), "inputs": inputs}
        sha256 = trained.classifier.save(folder, {**figures, **record})
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(sha256),
        metadata={
            **figures,
            "classes": ", ".join(classes),
            "images of rarer labels, left out": indices.null_count() - labels.null_count(),
            "encoder": recipe.classifier.encoder,
            "mlflow": dg.MetadataValue.url(log.url),
            "folder": dg.MetadataValue.path(str(folder)),
        },
    )


def attribute_classes(store: Store, name: str) -> list[str]:
    """Return the labels that an attribute's classifier predicts, by class; FileNotFoundError where there is none."""
    record = store.read_json(FOLDER, name, "classifier.json")
    if record is None:
        raise FileNotFoundError(f"attribute {name!r} has no classifier; materialize attribute_classifiers[{name}]")
    classes: list[str] = record["classes"]
    return classes


def _examples(
    recipe: AttributeRecipe, rows: pl.DataFrame, split: str, store: Store, stored_images: StoredImages
) -> "Examples":
    """The products of a split whose attribute has a class."""
    from ml.training.classification import Examples

    has_class = (pl.col("split") == split) & pl.col("label").is_not_null()
    chosen, inputs = inputs_of(recipe.classifier, rows, has_class, store, stored_images)
    return Examples(inputs=inputs, labels=chosen.select("label").to_numpy())
