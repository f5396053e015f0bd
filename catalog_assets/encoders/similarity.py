"""Similarity indexes: one per encoder, for the search of the products with the most similar images."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from catalog_assets.encoders.encoders import embeddings, encoders
from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.markdown import image_markdown
from catalog_assets.idioms.partitioned_checks import partitioned_check
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.partitions import encoder_recipes
from resources.artifacts.embeddings import StoredEmbeddings
from resources.compute import Compute
from resources.images import StoredImages
from resources.store import Store

if TYPE_CHECKING:
    from ml.embeddings.similarity_index import SimilarityIndex

MIN_RECALL = 0.95
SHEET_QUERIES, SHEET_NEIGHBORS = 8, 7
NUM_SEARCHED = 50  # neighbors, some of which have the same image


class IndexConfig(dg.Config):
    """Search parameters; higher values of both increase recall and search time."""

    num_probes: int = 32
    refine_factor: int = 24


@dg.asset(
    deps=[encoders, embeddings],
    partitions_def=encoder_recipes,
    pool="device",
    group_name="encoders",
    kinds={"faiss"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
    check_specs=[
        partitioned_check(
            "recall_at_10",
            asset="similarity_index",
            partitions_def=encoder_recipes,
            description=f"A search finds at least {MIN_RECALL:.0%} of the ten true nearest neighbors.",
        )
    ],
)
@retried(DEVICE)
def similarity_index(
    context: dg.AssetExecutionContext,
    config: IndexConfig,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Index of all embeddings of an encoder: exact below 100,000 images, compressed inverted lists above."""
    name = context.partition_key
    from ml.embeddings.index_recall import measure_recall
    from ml.embeddings.similarity_index import IndexSettings, build_index
    from resources.artifacts.similar_products import inputs

    stored = StoredEmbeddings(store, name)
    settings = IndexSettings(num_probes=config.num_probes, refine_factor=config.refine_factor)
    with compute.session() as session:
        index = build_index(stored.batches, *stored.shape(), settings)
        context.log.info(f"{name}: {len(index):,} embeddings indexed ({index.kind})")
        recall = measure_recall(index, stored.batches, session.device)
    with store.writing("similarity_index", name) as folder:
        record = index.save(folder, {**inputs(stored), "recall_at_10": recall})
    metadata = {key: record[key] for key in ("kind", "bytes", "num_vectors", "dim", "recall_at_10")}
    sheet = _sheet(dataset.collect(), stored, index, stored_images)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(record["sha256"]),
        metadata={
            **metadata,
            "device_seconds": session.device_seconds,
            "folder": dg.MetadataValue.path(str(folder)),
            "neighbors": dg.MetadataValue.md(
                image_markdown(sheet, "one product per row, followed by the most similar ones")
            ),
        },
    )
    yield dg.AssetCheckResult(
        check_name="recall_at_10",
        passed=recall >= MIN_RECALL,
        description=(
            f"the index of {name!r} finds {recall:.1%} of the ten true nearest neighbors; at least "
            f"{MIN_RECALL:.0%} are required: raise refine_factor ({config.refine_factor}) or num_probes "
            f"({config.num_probes}) in the run's configuration"
        ),
        metadata={"recall_at_10": recall},
    )


def _sheet(
    rows: pl.DataFrame, stored: StoredEmbeddings, index: "SimilarityIndex", stored_images: StoredImages
) -> bytes:
    """A contact sheet (PNG): random products, each followed by the most similar images other than its own."""
    from catalog.images.contact_sheet import contact_sheet

    queries = rows.sort("product_id").sample(min(SHEET_QUERIES, len(rows)), seed=0)
    found = index.search(stored.of(queries), min(NUM_SEARCHED, len(index)))
    sheet_rows = []
    for query, positions in zip(queries.iter_slices(1), found.positions, strict=True):
        ranked = stored.products_at(positions).join(rows, on=["product_id", "sha256"], maintain_order="left")
        candidates = pl.concat([query.select(_IMAGE_COLUMNS), ranked.select(_IMAGE_COLUMNS)])
        sheet_rows.append(
            stored_images.read(candidates.unique("sha256", keep="first", maintain_order=True).head(1 + SHEET_NEIGHBORS))
        )
    return contact_sheet(sheet_rows)


_IMAGE_COLUMNS = ("product_id", "delivery", "shard", "sha256")
