"""Attributes: tasks besides the categories, such as colour or age group, told from the same encoders' pictures."""

from dataclasses import asdict

import dagster as dg
import numpy as np
import polars as pl

from catalog.attribute_labels import attribute_labels, learnable
from catalog.bootstrap import blocks_of
from catalog.judged import Judged
from catalog.scores import score, summed
from catalog_assets.classifiers import inputs_of
from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.encoders import embeddings, encoders
from catalog_assets.evaluation import HELD_OUT
from catalog_assets.history import data_version
from catalog_assets.markdown import table
from catalog_assets.partitions import attribute_recipes, of_an_attribute_s_encoder
from catalog_assets.versions import content_version
from ml.recipe_types import fingerprint
from ml.recipes import attribute_recipe
from resources.compute import Compute
from resources.pictures import Pictures
from resources.store import Store
from resources.tracking import Tracking

IN_TRAINING = pl.col("split") == "train"
FOLDER = "attribute_classifiers"

of_products = dg.AssetDep("products", partition_mapping=dg.AllPartitionMapping())


@dg.asset(
    deps=[
        dg.AssetDep(encoders, partition_mapping=of_an_attribute_s_encoder),
        dg.AssetDep(embeddings, partition_mapping=of_an_attribute_s_encoder),
        of_products,
    ],
    partitions_def=attribute_recipes,
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "mlflow"},
    code_version="1",
)
def attribute_classifiers(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult[None]:
    """Classifiers of an attribute of products, one per recipe, over an encoder of the library."""
    recipe = attribute_recipe(context.partition_key)
    from ml.encoders import Encoder
    from ml.training.classification import Examples
    from ml.training.finetuning import Watch, train_classifier

    rows = dataset.collect()
    labels = attribute_labels(rows, store.scan("products"), recipe.column)
    known = learnable(labels, rows.select(IN_TRAINING).to_series(), recipe.min_pictures)
    rows = rows.with_columns(label=labels.replace_strict(known, range(len(known)), default=None, return_dtype=pl.Int64))

    def examples(split: str) -> Examples:
        chosen = (pl.col("split") == split) & pl.col("label").is_not_null()
        wanted, inputs = inputs_of(recipe.classifier, rows, chosen, store, pictures)
        return Examples(inputs=inputs, labels=wanted.select("label").to_numpy())

    training, validation = examples("train"), examples("val")
    folder = store.scratch / FOLDER / recipe.name
    params = {"encoder": recipe.classifier.encoder, "column": recipe.column, "labels": len(training.labels)}
    with tracking.run(context, params) as log, compute.session() as session:
        watch = Watch(
            validation=validation if len(validation.labels) else None,
            checkpoint=folder / "checkpoint.pt",
            on_epoch=log.epochs(recipe.name, context.log.info),
        )
        encoder = Encoder.load(store.here("encoders", recipe.classifier.encoder))
        made = train_classifier(recipe.classifier, encoder, training, session.device, watch)
    left_out = int(labels.is_not_null().sum()) - int(rows["label"].is_not_null().sum())
    facts: dict[str, int | float | str] = {
        "num_labels": len(training.labels),
        "num_classes": len(known),
        "device_seconds": made.cost.device_s,
        "mlflow_run_id": log.run_id,
    }
    inputs = {
        "encoder": store.fingerprint("encoders", recipe.classifier.encoder),
        "dataset": data_version(context.instance, "dataset"),
    }
    about = {"classes": known, "recipe": asdict(recipe), "recipe_sha256": fingerprint(recipe), "inputs": inputs}
    sha256 = made.classifier.save(folder, {**facts, **about})
    store.put_back(FOLDER, recipe.name)
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(sha256),
        metadata={
            **facts,
            "classes": ", ".join(known),
            "pictures of rarer labels, left out": left_out,
            "encoder": recipe.classifier.encoder,
            "mlflow": dg.MetadataValue.url(log.url),
            "folder": dg.MetadataValue.path(str(folder)),
        },
    )


@dg.asset(
    deps=[attribute_classifiers, of_products],
    partitions_def=attribute_recipes,
    io_manager_key="tables",
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
def attribute_predictions(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
) -> dg.MaterializeResult[pl.DataFrame]:
    """What each product of the dataset is in one respect, beside what its partner says, if he says it."""
    recipe = attribute_recipe(context.partition_key)
    from ml.classifiers.classifier import Classifier
    from ml.classifiers.predicting import predict

    made_from = {"encoder": store.fingerprint("encoders", recipe.classifier.encoder)}
    classifier = Classifier.load(store.here(FOLDER, recipe.name), inputs=made_from)
    classes = np.array(_classes(store, recipe.name))
    rows, inputs = inputs_of(recipe.classifier, dataset.collect(), pl.col("product_id").is_not_null(), store, pictures)
    with compute.session() as session:
        [best] = predict(classifier, inputs, session.device)
    frame = rows.select("product_id", "split").with_columns(
        pl.lit(recipe.name).alias("attribute"),
        attribute_labels(rows, store.scan("products"), recipe.column).alias("given"),
        pl.Series("predicted", classes[best.ids[:, 0]]),
        pl.Series("probability", best.probabilities[:, 0]),
        pl.Series("best_five", classes[best.ids].tolist(), dtype=pl.List(pl.String)),
    )
    untold = frame.filter(pl.col("given").is_null())
    shares = untold.group_by("predicted").agg(products=pl.len(), probability=pl.col("probability").mean())
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "dagster/row_count": len(frame),
            "products whose partner says nothing": len(untold),
            "what these are": dg.MetadataValue.md(table(shares.sort("products", descending=True))),
            "device_seconds": session.device_seconds,
        },
    )


@dg.asset(
    partitions_def=attribute_recipes,
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
def attribute_metrics(
    context: dg.AssetExecutionContext, attribute_predictions: pl.LazyFrame, store: Store
) -> dg.MaterializeResult[pl.DataFrame]:
    """How often an attribute is told right, by split, with bootstrap intervals of 95 %; each split once it has any."""
    name = context.partition_key
    position = {label: place for place, label in enumerate(_classes(store, name))}
    judged = attribute_predictions.filter(pl.col("given").is_in(list(position)), pl.col("split").is_in(HELD_OUT))
    frames = []
    for (split,), part in judged.collect().group_by("split", maintain_order=True):
        given, predicted = (
            part[each].replace_strict(position, return_dtype=pl.Int64) for each in ("given", "predicted")
        )
        answers = Judged(
            true_ids=given.to_numpy(),
            predicted_ids=predicted.to_numpy(),
            in_top5=part.select(pl.col("best_five").list.contains(pl.col("given"))).to_series().to_numpy(),
            confidences=part["probability"].to_numpy(),
        )
        scores = score(summed(answers, blocks_of(len(part))))
        head = (pl.lit(name).alias("attribute"), pl.lit(split).alias("split"))
        frames.append(scores.select(*head, pl.all()))
    if not frames:
        raise dg.Failure(
            f"no product of {', '.join(HELD_OUT)} has a label of attribute {name!r} that training knows; "
            "deliver more products with it"
        )
    frame = pl.concat(frames).sort("split", "metric")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={"scores": dg.MetadataValue.md(table(frame.drop("attribute")))},
    )


def _classes(store: Store, name: str) -> list[str]:
    """The labels that an attribute's classifier knows, by class."""
    record = store.read_json(FOLDER, name, "classifier.json")
    if record is None:
        raise FileNotFoundError(f"attribute {name!r} has no classifier; materialise attribute_classifiers[{name}]")
    classes: list[str] = record["classes"]
    return classes
