"""Embedding drift: whether deliveries' pictures look like those that the classifiers were trained on."""

from collections.abc import Iterator

import dagster as dg
import numpy as np
import polars as pl

from catalog.energy import LARGE, MAX_P, MAX_VECTORS, energy
from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.drift import MIN_PRODUCTS
from catalog_assets.encoders import embeddings
from catalog_assets.markdown import picture, table
from catalog_assets.partitions import encoder_recipes
from catalog_assets.versions import content_version
from resources.embeddings import StoredEmbeddings, Vectors
from resources.store import Store

CHECK = "pictures_have_not_shifted"

DISTANCES: dict[str, pl.DataType | type[pl.DataType]] = {
    "delivery": pl.String,
    "partner_id": pl.String,
    "num_pictures": pl.Int64,
    "num_training": pl.Int64,  # of the other deliveries' training pictures
    "energy": pl.Float64,
    "p_value": pl.Float64,
    "is_shifted": pl.Boolean,
}


@dg.asset(
    deps=[embeddings],
    partitions_def=encoder_recipes,
    io_manager_key="tables",
    group_name="encoders",
    kinds={"polars", "matplotlib"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="embedding_drift",
            description=f"No delivery lies further than an energy coefficient of {LARGE} from the training pictures.",
        )
    ],
)
def embedding_drift(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """How far one encoder sees each delivery's pictures from the training pictures of all other deliveries."""
    from catalog.drift_plots import draw_energies

    name = context.partition_key
    held = StoredEmbeddings(store, name)
    rows = dataset.select("product_id", "delivery", "partner_id", "split").collect()
    training = rows.filter(split="train")
    measured = []
    for (delivery, partner_id), own in rows.group_by("delivery", "partner_id", maintain_order=True):
        others = training.filter(pl.col("delivery") != delivery)
        if min(len(own), len(others)) < 2:
            context.log.info(f"{delivery}: {len(own)} pictures beside {len(others)} of training are too few")
            continue
        moved = energy(_directions(held, own), _directions(held, others))
        is_shifted = moved.is_large and len(own) >= MIN_PRODUCTS
        measured.append(
            (delivery, partner_id, len(own), len(others), moved.coefficient, moved.p_value, is_shifted),
        )
    frame = pl.DataFrame(measured, schema=DISTANCES, orient="row").sort("energy", "delivery", descending=[True, False])
    shifted = frame.filter("is_shifted")
    plot = draw_energies(frame, f"{name}: deliveries beside the training pictures")
    yield dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "distances": dg.MetadataValue.md(picture(plot, "energy coefficients")),
            "deliveries": dg.MetadataValue.md(table(frame.head(50))),
            "shifted": len(shifted),
            "largest": frame["energy"][0] if len(frame) else 0.0,
        },
    )
    named = ", ".join(f"{each['delivery']} ({each['energy']:.3f})" for each in shifted.head(5).iter_rows(named=True))
    yield dg.AssetCheckResult(
        check_name=CHECK,
        passed=shifted.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"{len(shifted)} of {len(frame)} deliveries with at least {MIN_PRODUCTS} pictures lie {LARGE} or further "
            f"(p at most {MAX_P})" + (f": {named}" if named else "")
        ),
        metadata={"shifted": len(shifted)},
    )


def _directions(held: StoredEmbeddings, rows: pl.DataFrame) -> Vectors:
    """Embeddings of length 1 (num, dim) of some of the rows: enough for a distance, the same each time."""
    drawn = rows.sort("product_id").sample(min(len(rows), MAX_VECTORS), seed=0)
    vectors = held.of(drawn)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return result
