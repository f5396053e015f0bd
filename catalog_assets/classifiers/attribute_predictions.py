"""Attribute predictions: the value of an attribute for each product, also of partners who deliver none."""

import dagster as dg
import numpy as np
import polars as pl

from catalog.products.attribute_labels import attribute_labels
from catalog_assets.classifiers.attribute_classifiers import (
    FOLDER,
    all_products,
    attribute_classes,
    attribute_classifiers,
)
from catalog_assets.classifiers.classifiers import inputs_of
from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import attribute_recipes
from resources.compute import Compute
from resources.images import StoredImages
from resources.recipes import RECIPES
from resources.store import Store


@dg.asset(
    deps=[attribute_classifiers, all_products],
    partitions_def=attribute_recipes,
    io_manager_key="tables",
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "parquet"},
    code_version="2",
    automation_condition=refresh_when_upstream_changes,
)
@retried(DEVICE)
def attribute_predictions(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
) -> dg.MaterializeResult[pl.DataFrame]:
    """The predicted value of an attribute for each product of the dataset, beside the partner's label if any."""
    recipe = RECIPES.attribute(context.partition_key)
    from ml.classifiers.classifier import Classifier
    from ml.classifiers.predicting import predict

    encoder_sha256 = store.fingerprint("encoders", recipe.classifier.encoder)
    classifier = Classifier.load(store.sync_down(FOLDER, recipe.name), inputs={"encoder": encoder_sha256})
    classes = np.array(attribute_classes(store, recipe.name))
    rows, inputs = inputs_of(
        recipe.classifier, dataset.collect(), pl.col("product_id").is_not_null(), store, stored_images
    )
    with compute.session() as session:
        [best] = predict(classifier, inputs, session.device)
    frame = rows.select("product_id", "split").with_columns(
        pl.lit(recipe.name).alias("attribute"),
        attribute_labels(rows, store.scan("products"), recipe.column).alias("label"),
        pl.Series("predicted", classes[best.ids[:, 0]]),
        pl.Series("probability", best.probabilities[:, 0]),
        pl.Series("top_5", classes[best.ids].tolist(), dtype=pl.List(pl.String)),
    )
    unlabeled = frame.filter(pl.col("label").is_null())
    shares = unlabeled.group_by("predicted").agg(products=pl.len(), probability=pl.col("probability").mean())
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "dagster/row_count": len(frame),
            "products without a label": len(unlabeled),
            "predictions of these": dg.MetadataValue.md(table(shares.sort("products", descending=True))),
            "device_seconds": session.device_seconds,
        },
    )
