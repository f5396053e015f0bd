"""Picture and title: what each tells of the categories alone, and whether both together tell more."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog.data_efficiency import Estimate, crossed_estimate
from catalog.splits import label_ranks
from catalog_assets.classifiers import LEVEL_COLUMNS, labelled
from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.encoders import embeddings
from catalog_assets.markdown import table
from catalog_assets.partitions import encoder_recipes
from catalog_assets.titles import title_embeddings
from catalog_assets.versions import content_version
from ml.recipes import SEEDS
from resources.compute import Compute
from resources.embeddings import StoredEmbeddings
from resources.store import Store
from resources.text_embeddings import title_vectors

if TYPE_CHECKING:
    import torch

    from ml.fusion import Answers

LEAVES = LEVEL_COLUMNS[-1]
# Of few labels another draw would give another figure, so there are several; of all labels there is one.
DRAWS: dict[float, tuple[int, ...]] = {0.01: SEEDS, 1.0: (0,)}
JUDGING = ("test", "golden")
# So many at most, whatever the catalogue holds: 5,000 products tell a share to within 1.4 points.
MAX_TRAINED, MAX_CHOOSING, MAX_JUDGED = 50_000, 5_000, 5_000


@dataclass(frozen=True)
class _Drawing:
    """One draw of the labels: how many there were, and what was answered of the judged products."""

    num_labels: int
    answers: "Answers"


@dg.asset(
    deps=[embeddings, title_embeddings],
    partitions_def=encoder_recipes,
    pool="device",
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"pytorch", "parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
def multimodal(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store, compute: Compute
) -> dg.MaterializeResult[pl.DataFrame]:
    """Picture, title, late fusion and joint head under one fit, on few and on all labels, on held-out products."""
    name = context.partition_key
    rows = dataset.filter(labelled).collect()
    choosing = _drawn(rows.filter(split="val"), MAX_CHOOSING)
    judged = pl.concat([_drawn(rows.filter(split=split), MAX_JUDGED) for split in JUDGING])
    if choosing.is_empty() or judged.is_empty() or rows.filter(split="train").is_empty():
        raise dg.Failure(
            f"of {len(rows)} labelled products {len(choosing)} choose and {len(judged)} judge; some have to do each, "
            "and others to train: take in a delivery with labels, or wait until more of it is downloaded"
        )
    pictures = StoredEmbeddings(store, name)
    lines: list[dict[str, object]] = []
    with compute.session() as session:
        for share, draws in DRAWS.items():
            drawings = [
                _answered(pictures, store, (_training(rows, share, draw), choosing, judged), session.device)
                for draw in draws
            ]
            context.log.info(f"{name}, {share:g} of the labels: {len(drawings)} draws answered")
            for split in JUDGING:
                if split in judged["split"]:
                    is_judging = (judged["split"] == split).to_numpy()
                    right = _right(drawings, judged[LEAVES].to_numpy(), is_judging)
                    head = {"encoder": name, "label_fraction": share, "split": split}
                    lines += [{**head, **line} for line in _lines(drawings, right)]
    frame = pl.DataFrame(lines, infer_schema_length=None)
    shown = frame.select("inputs", "label_fraction", "num_labels", "split", "top1", "low", "high", "over_single")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={"figures": dg.MetadataValue.md(table(shown)), "device_seconds": session.device_seconds},
    )


def _training(rows: pl.DataFrame, share: float, draw: int) -> pl.DataFrame:
    """A share of the labels of every category, another one a draw."""
    ranked = rows.with_columns(rank=label_ranks(rows, draw=draw))
    return ranked.filter(pl.col("rank") < share).sort("rank", "product_id").head(MAX_TRAINED).drop("rank")


def _drawn(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most so many rows, the same ones whatever their order."""
    return rows.sort("product_id").sample(min(most, len(rows)), seed=0, shuffle=True)


def _answered(
    pictures: StoredEmbeddings, store: Store, parts: tuple[pl.DataFrame, ...], device: "torch.device"
) -> _Drawing:
    """What the four say of the last part's products, learned from the first part and chosen on the second."""
    from ml.fusion import Pairs, fuse

    train, validation, judged = (
        Pairs(pictures.of(part), title_vectors(store, part), part[LEAVES].to_numpy(writable=True)) for part in parts
    )
    return _Drawing(len(parts[0]), fuse(train, validation, judged, device))


def _right(
    drawings: list[_Drawing], leaves: NDArray[np.int64], is_judging: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """1 where an answer is the label's, (num_draws, num_judging), by inputs."""
    return {
        inputs: np.array(
            [(each.answers.categories[inputs] == leaves)[is_judging] for each in drawings], dtype=np.float64
        )
        for inputs in drawings[0].answers.categories
    }


def _lines(drawings: list[_Drawing], right: dict[str, NDArray[np.float64]]) -> Iterator[dict[str, object]]:
    """A line for each kind of inputs, those of both with their lead over the better of picture and title."""
    single = max(("picture", "title"), key=lambda inputs: right[inputs].mean())
    for inputs, scores in right.items():
        top1 = crossed_estimate(scores)
        lead = Estimate(0.0, 0.0, 0.0) if inputs == single else crossed_estimate(scores - right[single])
        yield {
            "inputs": inputs,
            "top1": top1.value,
            "low": top1.low,
            "high": top1.high,
            "num": scores.shape[1],
            "num_draws": scores.shape[0],
            "num_labels": max(each.num_labels for each in drawings),
            "over_single": lead.value,
            "over_single_low": lead.low,
            "over_single_high": lead.high,
            "single": single,
            "title_weight": mean(each.answers.title_weight for each in drawings) if inputs == "late" else None,
        }
