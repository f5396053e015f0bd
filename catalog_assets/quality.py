"""Encoder quality: whether an encoder is any good, by probes, retrieval and collapse monitors."""

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog.splits import are_choosing
from catalog_assets.classifiers import LEVEL_COLUMNS, labelled
from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.encoders import embeddings, encoders
from catalog_assets.markdown import picture, table
from catalog_assets.partitions import encoder_recipes
from catalog_assets.versions import content_version
from ml.recipe_types import Augmentation
from ml.recipes import encoder_recipe
from resources.compute import Compute
from resources.embeddings import StoredEmbeddings
from resources.pictures import Pictures
from resources.store import Store

if TYPE_CHECKING:
    import torch

    from ml.quality import Judgement

LEVEL = len(LEVEL_COLUMNS)  # the leaves
# So many at most, whatever the catalogue holds: 5,000 pictures tell a share to within 1.4 points.
MAX_TRAINED, MAX_JUDGED, MAX_VIEWED, MAX_MAPPED = 50_000, 5_000, 1_000, 2_000
SHARE_CHOOSING = 0.1  # of the training groups, for the linear probe's weight decay
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
def encoder_quality(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
) -> dg.MaterializeResult[pl.DataFrame]:
    """How well frozen embeddings tell the leaves, learned on train, judged on half of val; and their collapse."""
    name = context.partition_key
    from ml.quality import judge
    from ml.vectors import Labelled

    rows = dataset.filter(pl.col("split").is_in(["train", "val"])).collect()
    train = rows.filter(labelled, split="train").sort("label_rank", "product_id").head(MAX_TRAINED)
    validation = rows.filter(labelled, split="val")  # but for what chose a pretraining's epoch
    judged = _drawn(validation.filter(~are_choosing(validation["group_id"])), MAX_JUDGED)
    spread = _drawn(rows.filter(split="val"), MAX_JUDGED)  # collapse needs no label
    if train.is_empty() or judged.is_empty():
        raise dg.Failure(
            f"{len(train)} labelled pictures to learn from and {len(judged)} to judge by; both are needed: "
            "take in a delivery with labels, or wait until more of it is downloaded"
        )
    held = StoredEmbeddings(store, name)
    viewed = pictures.read(spread.head(MAX_VIEWED))
    with compute.session() as session:
        of_train, of_judged = (
            Labelled(held.of(part), part[LEVEL_COLUMNS[-1]].to_numpy(writable=True)) for part in (train, judged)
        )
        judgement = judge(of_train, of_judged, choosing(train["group_id"]), session.device)
        collapse = _collapse(store, name, held.of(spread), viewed, session.device)
    scores = _scores(judgement, judged[LEVEL_COLUMNS[-1]].to_numpy())
    monitors = pl.DataFrame({"metric": list(collapse), "value": list(collapse.values())})
    num_spread = pl.lit(len(spread), dtype=pl.Int64)
    head = {"encoder": pl.lit(name), "split": pl.lit("val"), "level": pl.lit(LEVEL, dtype=pl.Int32)}
    both: pl.DataFrame = pl.concat([scores, monitors.with_columns(num_samples=num_spread)], how="diagonal")
    frame = both.with_columns(**head).select(COLUMNS)
    store.write_json(
        {
            "encoder_sha256": held.encoder_sha256,
            "embeddings_version": held.version,
            "rows_version": content_version(pl.concat([train, judged, spread])).value,
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
            "categories found worst": dg.MetadataValue.md(table(_worst(frame, store.category_names()))),
            "map": dg.MetadataValue.md(
                _map(name, held, _drawn(rows.filter(labelled), MAX_MAPPED), store.category_names())
            ),
            "weight decay": judgement.weight_decay,
            "trained on": len(train),
            "judged on": len(judged),
            "device_seconds": session.device_seconds,
        },
    )


def choosing(groups: pl.Series) -> np.ndarray:
    """Which training rows choose the weight decay, (n,): a tenth of the duplicate groups, at least one."""
    names = groups.unique().sort()
    drawn = names.sample(max(1, int(SHARE_CHOOSING * len(names))), seed=0)
    return groups.is_in(drawn.implode()).to_numpy()


def _drawn(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most so many rows, the same ones whatever their order."""
    return rows.sort("product_id").sample(min(most, len(rows)), seed=0, shuffle=True)


def _collapse(
    store: Store, encoder: str, vectors: np.ndarray, viewed: list[bytes], device: "torch.device"
) -> dict[str, float]:
    """The collapse monitors of embeddings, and of two views of some of their pictures."""
    from ml.collapse import embed_two_views
    from ml.encoders import Encoder
    from ml.pixels import decode_pixels
    from ml.quality import collapse_figures

    pixels = decode_pixels(viewed, encoder_recipe(encoder).resolution)
    loaded = Encoder.load(store.here("encoders", encoder))
    return collapse_figures(vectors, embed_two_views(loaded, pixels, Augmentation(), device))


def _scores(judgement: "Judgement", leaves: np.ndarray) -> pl.DataFrame:
    """Every metric with its interval: of all judged pictures (category_id is null), and of each leaf's."""
    from catalog.scores import score_means

    by_picture = {metric: values.astype(np.float64) for metric, values in judgement.by_picture.items()}
    frames = [score_means(by_picture).with_columns(category_id=pl.lit(None, dtype=pl.Int64))]
    for leaf in np.unique(leaves).tolist():
        own = {metric: values[leaves == leaf] for metric, values in by_picture.items()}
        frames.append(score_means(own).with_columns(category_id=pl.lit(leaf, dtype=pl.Int64)))
    return pl.concat(frames)


def _worst(frame: pl.DataFrame, names: dict[int, str], most: int = 15) -> pl.DataFrame:
    """The leaves of whose pictures fewest find one of their own next to them."""
    recalls = frame.filter(pl.col("metric") == "recall_at_1", pl.col("category_id").is_not_null())
    named = recalls.with_columns(category=pl.col("category_id").replace_strict(names, default="?"))
    return named.sort("value", "category_id").head(most).select("category", recall_at_1="value", pictures="num_samples")


def _map(encoder: str, held: StoredEmbeddings, rows: pl.DataFrame, names: dict[int, str]) -> str:
    """The map of some products, as Markdown, coloured by the first level that tells some categories apart."""
    from catalog.embedding_map import draw_map, shown_level
    from ml.embedding_map import map_of

    levels = rows.select(LEVEL_COLUMNS).to_numpy()
    shown = [names.get(category, str(category)) for category in levels[:, shown_level(levels)].tolist()]
    title = f"{encoder}: {len(rows):,} labelled products of the training and the validation split"
    return picture(draw_map(map_of(held.of(rows)), shown, title), title)
