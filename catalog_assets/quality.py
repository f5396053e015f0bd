"""Quality of encoders before anything is trained on them, and the index by which similar products are found."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.encoders import embeddings
from catalog_assets.markdown import picture, table
from catalog_assets.partitions import encoder_recipes
from catalog_assets.versions import content_version
from ml.recipes import Augmentation
from resources.compute import Compute
from resources.embeddings import StoredEmbeddings
from resources.pictures import Pictures
from resources.store import Store

if TYPE_CHECKING:
    from ml.neighbours import Neighbours

MAX_TRAIN, MAX_JUDGED, MAX_MAPPED = 20_000, 5_000, 3_000
CHOOSING_SHARE = 0.2  # of the training pictures: they choose the linear probe's weight decay
NUM_QUERIES, NUM_NEIGHBOURS = 8, 8
MIN_RECALL = 0.95
RESAMPLES = 1_000
_PLACE = ("product_id", "delivery", "shard", "sha256")
QUALITY_SCHEMA = {
    "encoder": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "num_samples": pl.Int64,
}


@dg.asset(
    deps=[embeddings],
    partitions_def=encoder_recipes,
    pool="device",
    io_manager_key="tables",
    group_name="encoders",
    kinds={"pytorch", "parquet", "matplotlib"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
def encoder_quality(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store, pictures: Pictures, compute: Compute
) -> dg.MaterializeResult[pl.DataFrame]:
    """What an encoder's embeddings tell of categories (kNN, linear probe, retrieval) and whether they have collapsed.

    Learned from labelled pictures of the training split, judged on those of validation: never on test or golden ones.
    """
    from catalog.embedding_map import draw_map, shown_level
    from ml.collapse import embed_two_views
    from ml.embedding_map import map_of
    from ml.encoders import Encoder
    from ml.quality import collapse_figures, judge
    from ml.vectors import Labelled

    name = context.partition_key
    stored = StoredEmbeddings(store, name)
    labelled = dataset.filter(pl.col("level_4").is_not_null()).collect()
    train = _sampled(labelled.filter(split="train"), MAX_TRAIN)
    judged = _sampled(labelled.filter(split="val"), MAX_JUDGED)
    if train.is_empty() or judged.is_empty():
        raise dg.Failure(
            f"{len(train)} labelled pictures to learn from and {len(judged)} to judge by; both are needed: "
            "take in a delivery with labels, or wait until more of it is downloaded"
        )
    known, asked = (Labelled(stored.of(rows), rows["level_4"].to_numpy(writable=True)) for rows in (train, judged))
    chosen_on = (np.arange(len(train)) % round(1 / CHOOSING_SHARE)) == 0
    with compute.session() as session:
        found = judge(known, asked, chosen_on, session.device)
        encoder = Encoder.load(store.local / "encoders" / name)
        pixels = pictures.pixels(dataset.select(_PLACE).collect(), encoder.resolution)
        viewed = pixels[_rows_of(dataset, judged)]
        monitors = collapse_figures(asked.vectors, embed_two_views(encoder, viewed, Augmentation(), session.device))
        mapped = judged.head(MAX_MAPPED)
        points = map_of(stored.of(mapped))
    figures: list[tuple[str, float, float | None, float | None, int]] = [
        (metric, *_interval(hits), len(hits)) for metric, hits in found.by_picture.items()
    ]
    figures += [(metric, value, None, None, len(judged)) for metric, value in monitors.items()]
    frame = pl.DataFrame([(name, *each) for each in figures], schema=QUALITY_SCHEMA, orient="row")
    level = shown_level(mapped.select("level_1", "level_2", "level_3", "level_4").to_numpy())
    taxonomy = store.taxonomy()
    names = [taxonomy.name(category) for category in mapped[f"level_{level + 1}"].to_list()]
    drawn = draw_map(points, names, f"{name}: {len(mapped):,} validation pictures by their embeddings (t-SNE)")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "figures": dg.MetadataValue.md(table(frame.drop("encoder"))),
            "map": dg.MetadataValue.md(picture(drawn, f"map of the embeddings of {name}")),
            "weight decay of the linear probe": found.weight_decay,
            "device_seconds": session.device_seconds,
            **{metric: value for metric, value, *_ in figures},
        },
    )


@dg.asset(
    deps=[embeddings],
    partitions_def=encoder_recipes,
    pool="device",
    group_name="encoders",
    kinds={"faiss"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
    check_specs=[
        dg.AssetCheckSpec(
            "recall_at_10", asset="similarity_index", description=f"At least {MIN_RECALL:.0%} of the nearest are found."
        )
    ],
)
def similarity_index(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store, pictures: Pictures, compute: Compute
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """An index of an encoder's embeddings, by which `similar` finds products that look like one or like a picture."""
    from catalog.contact_sheet import contact_sheet
    from ml.index_recall import measured_recall
    from ml.similarity import build_index
    from resources.similar import index_folder, inputs

    name = context.partition_key
    stored = StoredEmbeddings(store, name)
    num, dim = stored.shape()
    with compute.session() as session:
        index = build_index(stored.batches, num, dim)
        recall = measured_recall(index, stored.batches, session.device) if num > 1 else 1.0
    folder = index_folder(store, name)
    facts = index.save(folder, {**inputs(stored), "recall_at_10": recall})
    asked = np.linspace(0, num - 1, min(NUM_QUERIES, num)).astype(np.int64)
    neighbours = index.search(stored.of(stored.products_at(asked)), min(NUM_NEIGHBOURS + 1, num))
    sheet = contact_sheet(_pictures_of(neighbours, stored, dataset, pictures))
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(facts["sha256"]),
        metadata={
            "kind": index.kind,
            "dagster/row_count": num,
            "dim": dim,
            "bytes": facts["bytes"],
            "recall_at_10": recall,
            "neighbours": dg.MetadataValue.md(picture(sheet, "a row each: a product, then those most like it")),
            "device_seconds": session.device_seconds,
            "folder": dg.MetadataValue.path(str(folder)),
        },
    )
    yield dg.AssetCheckResult(
        check_name="recall_at_10",
        passed=recall >= MIN_RECALL,
        description=(
            f"{recall:.3f} of the true ten nearest are found; at least {MIN_RECALL} should be: "
            "raise num_probes or refine_factor of IndexSettings"
        ),
        metadata={"recall_at_10": recall},
    )


def _sampled(rows: pl.DataFrame, num: int) -> pl.DataFrame:
    """At most so many rows, the same ones as long as the dataset has them: those of the lowest hashes."""
    if len(rows) <= num:
        return rows
    return rows.sort("sha256", "product_id").head(num)


def _rows_of(dataset: pl.LazyFrame, wanted: pl.DataFrame) -> NDArray[np.int64]:
    """Where these products stand in the dataset, in their order."""
    places = dataset.select("product_id").with_row_index("place")
    asked = wanted.lazy().select("product_id")
    found = asked.join(places, on="product_id", how="left", maintain_order="left").collect()
    return found["place"].to_numpy().astype(np.int64)


def _interval(hits: NDArray[np.float32]) -> tuple[float, float, float]:
    """The mean and its bootstrap interval of 95 %."""
    rng = np.random.default_rng(0)
    means = [hits[rng.integers(0, len(hits), len(hits))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(hits.mean()), float(low), float(high)


def _pictures_of(
    found: "Neighbours", stored: StoredEmbeddings, dataset: pl.LazyFrame, pictures: Pictures
) -> list[list[bytes]]:
    """The pictures of what was found, a row a query."""
    place = dataset.select(_PLACE).collect()
    rows = []
    for positions in found.positions:
        products = stored.products_at(positions).select("product_id")
        rows.append(pictures.read(products.join(place, on="product_id", how="inner", maintain_order="left")))
    return rows
