"""Embedding drift: the distance of each delivery's image embeddings from those of the training images."""

from collections.abc import Iterator

import dagster as dg
import numpy as np
import polars as pl

from catalog.evaluation.energy_distance import LARGE, MAX_P, MAX_VECTORS, energy
from catalog_assets.automation.drift import MIN_PRODUCTS
from catalog_assets.encoders.encoders import embeddings
from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.partitioned_checks import partitioned_check
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import encoder_recipes
from resources.artifacts.embeddings import StoredEmbeddings, Vectors
from resources.store import Store

CHECK = "images_have_not_shifted"

DISTANCES: dict[str, pl.DataType | type[pl.DataType]] = {
    "delivery": pl.String,
    "partner_id": pl.String,
    "num_images": pl.Int64,
    "num_training": pl.Int64,  # of the other deliveries' training images
    "energy": pl.Float64,
    "p_value": pl.Float64,
    "is_shifted": pl.Boolean,
}


@dg.asset(
    deps=[embeddings],
    partitions_def=encoder_recipes,
    io_manager_key="tables",
    group_name="automation",
    kinds={"polars", "matplotlib"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
    check_specs=[
        partitioned_check(
            CHECK,
            asset="embedding_drift",
            partitions_def=encoder_recipes,
            description=f"No delivery lies further than an energy coefficient of {LARGE} from the training images.",
        )
    ],
)
def embedding_drift(
    context: dg.AssetExecutionContext, dataset: pl.LazyFrame, store: Store
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """Energy distances, in one encoder's embeddings, of each delivery's images to the training images of all others."""
    from catalog.evaluation.drift_plots import draw_energies

    name = context.partition_key
    stored = StoredEmbeddings(store, name)
    rows = dataset.select("product_id", "delivery", "partner_id", "split").collect()
    training = rows.filter(split="train")
    distances = []
    for (delivery, partner_id), own in rows.group_by("delivery", "partner_id", maintain_order=True):
        others = training.filter(pl.col("delivery") != delivery)
        if min(len(own), len(others)) < 2:
            context.log.info(f"{delivery}: {len(own)} images and {len(others)} training images are too few")
            continue
        distance = energy(_normalized(stored, own), _normalized(stored, others))
        is_shifted = distance.is_large and len(own) >= MIN_PRODUCTS
        distances.append(
            (delivery, partner_id, len(own), len(others), distance.coefficient, distance.p_value, is_shifted),
        )
    frame = pl.DataFrame(distances, schema=DISTANCES, orient="row").sort("energy", "delivery", descending=[True, False])
    shifted = frame.filter("is_shifted")
    plot = draw_energies(frame, f"{name}: deliveries compared with the training images")
    yield dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "distances": dg.MetadataValue.md(image_markdown(plot, "energy coefficients")),
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
            f"{len(shifted)} of {len(frame)} deliveries with at least {MIN_PRODUCTS} images lie {LARGE} or further "
            f"(p at most {MAX_P})" + (f": {named}" if named else "")
        ),
        metadata={"shifted": len(shifted)},
    )


def _normalized(stored: StoredEmbeddings, rows: pl.DataFrame) -> Vectors:
    """Normalized embeddings (num, dim) of a random sample of the rows, the same one each time."""
    sample = rows.sort("product_id").sample(min(len(rows), MAX_VECTORS), seed=0)
    vectors = stored.of(sample)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return result
