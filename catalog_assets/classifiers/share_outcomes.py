"""Share outcomes: encoders fine-tuned alike on shares of the labels, so that only their starting weights differ."""

from statistics import mean
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog.dataset.splits import label_ranks
from catalog_assets.encoders.encoders import encoders
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import encoder_shares
from ml.recipes import SEEDS, share_recipe
from resources.compute import Compute
from resources.images import StoredImages
from resources.mlflow.tracking import Tracking
from resources.recipes import RECIPES
from resources.store import Store

if TYPE_CHECKING:
    import torch

    from ml.classifiers.classifier import Classifier

LEAVES = LEVEL_COLUMNS[-1]


@dg.asset(
    deps=[encoders],  # of the key's own encoder: Dagster maps the dimension by its partitions
    partitions_def=encoder_shares,
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "mlflow", "parquet"},
    code_version="1",
)
@retried(DEVICE)
def share_outcomes(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult[None]:
    """An encoder fine-tuned on a share of the labels, per seed: which held-out products each run predicts right."""
    name, share = _keys(context)
    from ml.encoders.encoder import Encoder
    from ml.training.classification import Examples
    from ml.training.finetuning import TrainingCallbacks, train_classifier

    rows = dataset.collect()
    split = "golden" if "golden" in rows["split"] else "test"
    held_out = np.flatnonzero(rows.select((pl.col("split") == split) & labeled).to_series().to_numpy())
    if not len(held_out):
        raise dg.Failure(f"no labeled product is in the split {split!r} to evaluate on; add a delivery with labels")
    encoder_recipe = RECIPES.encoder(name)
    pixels = stored_images.pixels(rows, encoder_recipe.resolution, encoder_recipe.fit)
    frames = []
    with (
        tracking.run(context, {"encoder": name, "share": share, "seeds": len(SEEDS)}) as log,
        compute.session() as session,
    ):
        for seed in SEEDS:
            training = np.flatnonzero(label_ranks(rows, draw=seed).fill_null(2.0).to_numpy() < float(share))
            examples = Examples(inputs=pixels[training], labels=rows[training].select(LEVEL_COLUMNS).to_numpy())
            recipe = share_recipe(name, float(share), seed, len(training))
            encoder = Encoder.load(store.sync_down("encoders", name))
            callbacks = TrainingCallbacks(
                on_epoch=log.epochs(f"{name}, {share} of the labels, seed {seed}", context.log.info)
            )
            trained = train_classifier(recipe, encoder, examples, session.device, callbacks)
            outcomes = _outcomes(trained.classifier, pixels[held_out], rows[held_out], session.device).select(
                pl.lit(seed, dtype=pl.Int32).alias("seed"),
                pl.lit(len(training), dtype=pl.Int64).alias("num_labels"),
                pl.lit(split).alias("split"),
                pl.all(),
                pl.lit(trained.cost.device_s).alias("device_seconds"),
            )
            frames.append(outcomes)
            log(outcomes.select(pl.col("top1", "top5").mean()).row(0, named=True), step=seed)
    frame = pl.concat(frames)
    store.write(frame, "share_outcomes", name, share)
    by_seed = frame.group_by("seed", maintain_order=True).agg(
        pl.col("num_labels", "device_seconds").first(), pl.col("top1", "top5").mean(), num_samples=pl.len()
    )
    return dg.MaterializeResult(
        data_version=content_version(frame.drop("device_seconds")),
        metadata={
            "dagster/row_count": len(frame),
            "by seed": dg.MetadataValue.md(table(by_seed)),
            "top1": mean(by_seed["top1"].to_list()),
            "evaluated on": split,
            "device_seconds": session.device_seconds,
            "peak_mib": session.peak_mib,
            "mlflow": dg.MetadataValue.url(log.url),
        },
    )


def _keys(context: dg.AssetExecutionContext) -> tuple[str, str]:
    """The encoder and the share of a partition."""
    key = context.partition_key
    assert isinstance(key, dg.MultiPartitionKey)  # noqa: S101 as the asset is partitioned
    return key.keys_by_dimension["encoder"], key.keys_by_dimension["share"]


def _outcomes(classifier: "Classifier", pixels: np.ndarray, rows: pl.DataFrame, device: "torch.device") -> pl.DataFrame:
    """A row per held-out product: product_id, predicted_id, and whether the best and the five best have its leaf."""
    from ml.classifiers.predicting import predict

    best = predict(classifier, pixels, device)[-1].ids  # (num_held_out, 5)
    right = best == rows[LEAVES].to_numpy()[:, None]
    return rows.select(
        "product_id",
        pl.Series("predicted_id", best[:, 0]),
        pl.Series("top1", right[:, 0]),
        pl.Series("top5", right.any(axis=1)),
    )
