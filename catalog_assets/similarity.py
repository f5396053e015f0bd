"""Similarity indexes: for each encoder, what finds the products whose pictures look most like any given one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.encoders import embeddings, encoders
from catalog_assets.markdown import picture
from catalog_assets.partitions import encoder_recipes
from resources.compute import Compute
from resources.embeddings import StoredEmbeddings
from resources.pictures import Pictures
from resources.store import Store

if TYPE_CHECKING:
    from ml.similarity import SimilarityIndex

MIN_RECALL = 0.95
SHOWN_QUERIES, SHOWN_NEIGHBOURS = 8, 7
LOOKED_AT = 50  # neighbours, among which are copies of the same picture


class IndexConfig(dg.Config):
    """What is worth turning where recall is too low: both make a search find more, and take longer."""

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
        dg.AssetCheckSpec(
            "recall_at_10",
            asset="similarity_index",
            description=f"A search finds at least {MIN_RECALL:.0%} of the ten true nearest neighbours.",
        )
    ],
)
def similarity_index(
    context: dg.AssetExecutionContext,
    config: IndexConfig,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The index of all embeddings of an encoder: exact below 100,000 pictures, compressed lists above."""
    name = context.partition_key
    from ml.index_recall import measured_recall
    from ml.similarity import IndexSettings, build_index
    from resources.similar import index_folder, inputs

    held = StoredEmbeddings(store, name)
    settings = IndexSettings(num_probes=config.num_probes, refine_factor=config.refine_factor)
    with compute.session() as session:
        index = build_index(held.batches, *held.shape(), settings)
        context.log.info(f"{name}: {len(index):,} embeddings indexed ({index.kind})")
        recall = measured_recall(index, held.batches, session.device)
    folder = index_folder(store, name)
    facts = index.save(folder, {**inputs(held), "recall_at_10": recall})
    store.put_back("similarity_index", name)
    metadata = {key: facts[key] for key in ("kind", "bytes", "num_vectors", "dim", "recall_at_10")}
    shown = _sheet(dataset.collect(), held, index, pictures)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(facts["sha256"]),
        metadata={
            **metadata,
            "device_seconds": session.device_seconds,
            "folder": dg.MetadataValue.path(str(folder)),
            "neighbours": dg.MetadataValue.md(picture(shown, "a product a row, and what is most like it")),
        },
    )
    yield dg.AssetCheckResult(
        check_name="recall_at_10",
        passed=recall >= MIN_RECALL,
        description=(
            f"the index of {name!r} finds {recall:.1%} of the ten true nearest neighbours, at least {MIN_RECALL:.0%} "
            f"are wanted: raise refine_factor ({config.refine_factor}) or num_probes ({config.num_probes}) in the "
            "run's configuration"
        ),
        metadata={"recall_at_10": recall},
    )


def _sheet(rows: pl.DataFrame, held: StoredEmbeddings, index: "SimilarityIndex", pictures: Pictures) -> bytes:
    """A PNG: products drawn at random, and beside each the pictures that are most like its own and other than it."""
    from catalog.contact_sheet import contact_sheet

    queries = rows.sort("product_id").sample(min(SHOWN_QUERIES, len(rows)), seed=0)
    found = index.search(held.of(queries), min(LOOKED_AT, len(index)))
    drawn = []
    for query, positions in zip(queries.iter_slices(1), found.positions, strict=True):
        ranked = held.products_at(positions).join(rows, on=["product_id", "sha256"], maintain_order="left")
        both = pl.concat([query.select(_PLACE), ranked.select(_PLACE)])
        drawn.append(pictures.read(both.unique("sha256", keep="first", maintain_order=True).head(1 + SHOWN_NEIGHBOURS)))
    return contact_sheet(drawn)


_PLACE = ("product_id", "delivery", "shard", "sha256")
