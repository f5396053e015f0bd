"""Encoder quality: evaluates frozen embeddings by probes, retrieval and collapse monitors."""

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog.dataset.splits import in_selection_half
from catalog_assets.encoders.encoders import embeddings, encoders
from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import encoder_recipes
from ml.recipe_types import Augmentation
from resources.artifacts.embeddings import StoredEmbeddings
from resources.compute import Compute
from resources.images import StoredImages
from resources.store import Store

if TYPE_CHECKING:
    import torch

    from ml.embeddings.quality import EncoderQuality

LEVEL = len(LEVEL_COLUMNS)  # the leaves
# Upper limits, whatever the size of the catalog: 5,000 images estimate a share to within 1.4 points.
MAX_TRAINING, MAX_EVALUATED, MAX_VIEWED, MAX_MAPPED = 50_000, 5_000, 250, 2_000
SELECTION_SHARE = 0.1  # of the training groups, which select the linear probe's weight decay
COLUMNS = ("encoder", "split", "level", "category_id", "metric", "value", "ci_low", "ci_high", "num_samples")


@dg.asset(
    deps=[encoders, embeddings],
    partitions_def=encoder_recipes,
    pool="device",
    io_manager_key="tables",
    group_name="encoders",
    kinds={"pytorch", "parquet", "matplotlib"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
@retried(DEVICE)
def encoder_quality(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Metrics of frozen embeddings on validation images: probes and retrieval of leaves, and collapse."""
    name = context.partition_key
    from ml.embeddings.quality import evaluate_embeddings
    from ml.vectors import LabeledEmbeddings

    rows = dataset.filter(pl.col("split").is_in(["train", "val"])).collect()
    train = rows.filter(labeled, split="train").sort("label_rank", "product_id").head(MAX_TRAINING)
    validation = rows.filter(labeled, split="val")  # the other half selects the epoch of a pretraining
    evaluated = _sample(validation.filter(~in_selection_half(validation["group_id"])), MAX_EVALUATED)
    spread = _sample(rows.filter(split="val"), MAX_EVALUATED)  # collapse needs no label
    if train.is_empty() or evaluated.is_empty():
        raise dg.Failure(
            f"{len(train)} labeled images to train on and {len(evaluated)} to evaluate on; both are "
            "needed: add a delivery with labels, or wait until more of it is downloaded"
        )
    stored = StoredEmbeddings(store, name)
    viewed = stored_images.read(spread.head(MAX_VIEWED))
    with compute.session() as session:
        of_train, of_evaluated = (
            LabeledEmbeddings(stored.of(part), part[LEVEL_COLUMNS[-1]].to_numpy(writable=True))
            for part in (train, evaluated)
        )
        quality = evaluate_embeddings(of_train, of_evaluated, selection_mask(train["group_id"]), session.device)
        collapse = _collapse(store, name, stored.of(spread), viewed, session.device)
    scores = _scores(quality, evaluated[LEVEL_COLUMNS[-1]].to_numpy())
    monitors = pl.DataFrame({"metric": list(collapse), "value": list(collapse.values())})
    num_spread = pl.lit(len(spread), dtype=pl.Int64)
    head = {"encoder": pl.lit(name), "split": pl.lit("val"), "level": pl.lit(LEVEL, dtype=pl.Int32)}
    scores_and_monitors: pl.DataFrame = pl.concat(
        [scores, monitors.with_columns(num_samples=num_spread)], how="diagonal"
    )
    frame = scores_and_monitors.with_columns(**head).select(COLUMNS)
    store.write_json(
        {
            "encoder_sha256": stored.encoder_sha256,
            "embeddings_version": stored.version,
            "rows_version": content_version(pl.concat([train, evaluated, spread])).value,
        },
        *("encoder_quality", f"encoder={name}", "encoder_quality.json"),
    )
    overall = frame.filter(pl.col("category_id").is_null()).select(
        "metric", "value", "ci_low", "ci_high", "num_samples"
    )
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "figures": dg.MetadataValue.md(table(overall)),
            "worst categories": dg.MetadataValue.md(table(_worst(frame, store.category_names()))),
            "map": dg.MetadataValue.md(
                _map(name, stored, _sample(rows.filter(labeled), MAX_MAPPED), store.category_names())
            ),
            "weight decay": quality.weight_decay,
            "training images": len(train),
            "evaluated images": len(evaluated),
            "device_seconds": session.device_seconds,
        },
    )


def selection_mask(groups: pl.Series) -> np.ndarray:
    """Mask (n,) of the training rows that select the weight decay: a tenth of the duplicate groups, at least one."""
    names = groups.unique().sort()
    drawn = names.sample(max(1, int(SELECTION_SHARE * len(names))), seed=0)
    return groups.is_in(drawn.implode()).to_numpy()


def _sample(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """A random sample of at most `most` rows, which does not depend on their order."""
    return rows.sort("product_id").sample(min(most, len(rows)), seed=0, shuffle=True)


def _collapse(
    store: Store, encoder: str, vectors: np.ndarray, viewed: list[bytes], device: "torch.device"
) -> dict[str, float]:
    """Collapse metrics of embeddings, and of two views of some of their images."""
    from ml.embeddings.collapse import embed_two_views
    from ml.embeddings.quality import collapse_metrics
    from ml.encoders.encoder import Encoder
    from ml.pixels import decode_pixels

    loaded = Encoder.load(store.sync_down("encoders", encoder))
    pixels = decode_pixels(viewed, loaded.resolution, fit=loaded.fit)
    return collapse_metrics(vectors, embed_two_views(loaded, pixels, Augmentation(), device))


def _scores(quality: "EncoderQuality", leaves: np.ndarray) -> pl.DataFrame:
    """Every metric with its interval: over all evaluated images (category_id is null), and over those of each leaf."""
    from catalog.evaluation.scores import score_means

    by_image = {metric: values.astype(np.float64) for metric, values in quality.per_image.items()}
    frames = [score_means(by_image).with_columns(category_id=pl.lit(None, dtype=pl.Int64))]
    for leaf in np.unique(leaves).tolist():
        own = {metric: values[leaves == leaf] for metric, values in by_image.items()}
        frames.append(score_means(own).with_columns(category_id=pl.lit(leaf, dtype=pl.Int64)))
    return pl.concat(frames)


def _worst(frame: pl.DataFrame, names: dict[int, str], most: int = 15) -> pl.DataFrame:
    """The leaves with the lowest recall at 1."""
    recalls = frame.filter(pl.col("metric") == "recall_at_1", pl.col("category_id").is_not_null())
    named = recalls.with_columns(category=pl.col("category_id").replace_strict(names, default="?"))
    return named.sort("value", "category_id").head(most).select("category", recall_at_1="value", images="num_samples")


def _map(encoder: str, stored: StoredEmbeddings, rows: pl.DataFrame, names: dict[int, str]) -> str:
    """A 2-D map of some products, as Markdown, colored by the first level that has several categories."""
    from catalog.evaluation.embedding_plot import coloring_level, draw_map
    from ml.embeddings.embedding_map import map_embeddings

    levels = rows.select(LEVEL_COLUMNS).to_numpy()
    categories = [names.get(category, str(category)) for category in levels[:, coloring_level(levels)].tolist()]
    title = f"{encoder}: {len(rows):,} labeled products of the training and the validation split"
    return image_markdown(draw_map(map_embeddings(stored.of(rows)), categories, title), title)
