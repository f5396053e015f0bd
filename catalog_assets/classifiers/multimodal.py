"""Multimodal: the accuracy of image and title alone, and of both together."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.dataset.columns import LEVEL_COLUMNS, labeled
from catalog.dataset.splits import label_ranks
from catalog.evaluation.data_efficiency import Estimate, crossed_estimate
from catalog_assets.encoders.encoders import embeddings
from catalog_assets.encoders.titles import title_embeddings
from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import encoder_recipes
from ml.recipes import SEEDS
from resources.artifacts.embeddings import StoredEmbeddings
from resources.artifacts.text_embeddings import title_vectors
from resources.compute import Compute
from resources.store import Store

if TYPE_CHECKING:
    import torch

    from ml.classifiers.fusion import FusionPredictions

LEAVES = LEVEL_COLUMNS[-1]
# With few labels the figures depend on the draw, so there are several draws; with all labels there is one.
DRAWS: dict[float, tuple[int, ...]] = {0.01: SEEDS, 1.0: (0,)}
EVALUATED_ON = ("test", "golden")
# Products at most, of any catalog: 5,000 products measure a share to within 1.4 points.
MAX_TRAINING, MAX_VALIDATION, MAX_EVALUATED = 50_000, 5_000, 5_000


@dataclass(frozen=True)
class _Draw:
    """A draw of the labels: their number, and the predictions of the evaluated products after training on them."""

    num_labels: int
    predictions: "FusionPredictions"


@dg.asset(
    deps=[embeddings, title_embeddings],
    partitions_def=encoder_recipes,
    pool="device",
    io_manager_key="tables",
    group_name="classifiers",
    kinds={"pytorch", "parquet"},
    code_version="2",
    automation_condition=refresh_when_upstream_changes,
)
@retried(DEVICE)
def multimodal(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store, compute: Compute
) -> dg.MaterializeResult[pl.DataFrame]:
    """Accuracy of image, title, late fusion and joint head, fitted alike on few and on all labels."""
    name = context.partition_key
    rows = dataset.filter(labeled).collect()
    num_training = len(rows.filter(split="train"))
    validation = _sample(rows.filter(split="val"), MAX_VALIDATION)
    evaluated = pl.concat([_sample(rows.filter(split=split), MAX_EVALUATED) for split in EVALUATED_ON])
    if not num_training or validation.is_empty() or evaluated.is_empty():
        raise dg.Failure(
            f"of {len(rows)} labeled products {num_training} are in training, {len(validation)} in validation and "
            f"{len(evaluated)} in {' or '.join(EVALUATED_ON)}; each needs some: add a delivery with labels, or "
            "wait until more of it is downloaded"
        )
    images = StoredEmbeddings(store, name)
    lines: list[dict[str, object]] = []
    with compute.session() as session:
        for share, seeds in DRAWS.items():
            draws = [
                _fit_draw(images, store, (_training(rows, share, seed), validation, evaluated), session.device)
                for seed in seeds
            ]
            context.log.info(f"{name}, {share:g} of the labels: {len(draws)} draws evaluated")
            for split in EVALUATED_ON:
                if split in evaluated["split"]:
                    in_split = (evaluated["split"] == split).to_numpy()
                    right = _right(draws, evaluated[LEAVES].to_numpy(), in_split)
                    keys = {"encoder": name, "label_fraction": share, "split": split}
                    lines += [{**keys, **line} for line in _lines(draws, right)]
    frame = pl.DataFrame(lines, infer_schema_length=None)
    figures = frame.select("inputs", "label_fraction", "num_labels", "split", "top1", "low", "high", "gain_over_single")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={"figures": dg.MetadataValue.md(table(figures)), "device_seconds": session.device_seconds},
    )


def _training(rows: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Products with a share of each category's labels, drawn at random."""
    ranked = rows.with_columns(rank=label_ranks(rows, draw=seed))
    return ranked.filter(pl.col("rank") < share).sort("rank", "product_id").head(MAX_TRAINING).drop("rank")


def _sample(rows: pl.DataFrame, max_rows: int) -> pl.DataFrame:
    """A random sample of at most `max_rows` rows, which does not depend on their order."""
    return rows.sort("product_id").sample(min(max_rows, len(rows)), seed=0, shuffle=True)


def _fit_draw(images: StoredEmbeddings, store: Store, parts: tuple[pl.DataFrame, ...], device: "torch.device") -> _Draw:
    """Fit all four on the first part, choose weights on the second, and predict the third."""
    from ml.classifiers.fusion import Pairs, fuse

    train, validation, evaluated = (
        Pairs(images.of(part), title_vectors(store, part), part[LEAVES].to_numpy(writable=True)) for part in parts
    )
    return _Draw(len(parts[0]), fuse(train, validation, evaluated, device))


def _right(
    draws: list[_Draw], leaves: NDArray[np.int64], in_split: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """1 where the predicted leaf is the label, (num_draws, num_in_split), by inputs."""
    return {
        inputs: np.array(
            [(each.predictions.categories[inputs] == leaves)[in_split] for each in draws], dtype=np.float64
        )
        for inputs in draws[0].predictions.categories
    }


def _lines(draws: list[_Draw], right: dict[str, NDArray[np.float64]]) -> Iterator[dict[str, object]]:
    """A row for each kind of inputs, with its gain over the better of image and title."""
    single = max(("image", "title"), key=lambda inputs: right[inputs].mean())
    for inputs, scores in right.items():
        top1 = crossed_estimate(scores)
        gain = Estimate(0.0, 0.0, 0.0) if inputs == single else crossed_estimate(scores - right[single])
        yield {
            "inputs": inputs,
            "top1": top1.value,
            "low": top1.low,
            "high": top1.high,
            "num": scores.shape[1],
            "num_draws": scores.shape[0],
            "num_labels": max(each.num_labels for each in draws),
            "gain_over_single": gain.value,
            "gain_over_single_low": gain.low,
            "gain_over_single_high": gain.high,
            "single": single,
            "title_weight": mean(each.predictions.title_weight for each in draws) if inputs == "late" else None,
        }
