"""Confusion: which category is predicted as which, and the business value at stake."""

import dagster as dg
import polars as pl

from catalog.evaluation.confusion import draw_confusion, largest_confusions, leaf_table, most_valuable, read_confusion
from catalog.taxonomy.business_value import values_at_level
from catalog_assets.evaluation.predictions import LEVELS, key_columns, prediction_files, predictions
from catalog_assets.idioms.conditions import when_trained
from catalog_assets.idioms.markdown import image_markdown, records
from catalog_assets.idioms.versions import content_version
from catalog_assets.ingestion.taxonomies import taxonomy
from catalog_assets.partitions import evaluated_classifiers
from resources.store import Store

SHOWN_LEAVES = 50  # the most valuable ones


@dg.asset(
    deps=[predictions, taxonomy],
    partitions_def=evaluated_classifiers,
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet", "matplotlib"},
    code_version="2",
    automation_condition=when_trained,
)
def confusion(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """Products by labeled and predicted category, on every split and level, and the business value at stake."""
    name = context.partition_key
    names = store.category_names()
    values = _values_by_level(store)
    frames: list[pl.DataFrame] = []
    metadata: dict[str, dg.MarkdownMetadataValue | dg.TableMetadataValue | str] = {}
    for split, files in prediction_files(store, name).items():
        for level in LEVELS:
            cells = read_confusion(files, level, values[level])
            keys = (*key_columns(name, split), pl.lit(level, dtype=pl.Int32).alias("level"))
            frames.append(cells.select(*keys, pl.all()))
        # The last level's cells: the leaves.
        leaves = most_valuable(cells, values[LEVELS[-1]], SHOWN_LEAVES)
        figure = image_markdown(draw_confusion(cells, leaves, names), f"{name} on {split}")
        metadata[f"{split}: confusion of the most valuable leaves"] = dg.MetadataValue.md(figure)
        metadata[f"{split}: the most valuable leaves"] = records(leaf_table(cells, leaves, names))
        metadata[f"{split}: largest"] = "; ".join(largest_confusions(cells, names, 3))
    frame = pl.concat(frames)
    return dg.MaterializeResult(value=frame, data_version=content_version(frame), metadata=metadata)


def _values_by_level(store: Store) -> dict[int, dict[int, float]]:
    """Units sold by category, for each level."""
    tree = store.taxonomy()
    values = store.business_values(tree)
    return {level: values_at_level(values, tree, level) for level in LEVELS}
