"""Tables between assets: polars frames in, Parquet in the store's layout, lazy frames out."""

from typing import Any

import dagster as dg
import polars as pl
from upath import UPath

from catalog.storage.tables import table_of
from resources.store import Store


def table_metadata(frame: pl.DataFrame, path: UPath) -> dict[str, Any]:
    """Returns what Dagster shows of a table that was written: number of rows, columns and file."""
    return {
        "dagster/row_count": len(frame),
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name, str(dtype)) for name, dtype in frame.schema.items()]
        ),
        "dagster/uri": str(path),
    }


class TableIO(dg.ConfigurableIOManager):
    """Writes a frame as the table named like its asset, and reads one back lazily.

    An input over many partitions reads those that exist: a delivery whose feed was refused has no table, and the other
    deliveries are read without it.
    """

    store: dg.ResourceDependency[Store]

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame) -> None:
        """Replace the asset's table, or its partition."""
        partition = [context.partition_key] if context.has_asset_partitions else []
        path = self.store.write(obj, context.asset_key.path[-1], *partition)
        context.add_output_metadata(table_metadata(obj, path))

    def load_input(self, context: dg.InputContext) -> pl.LazyFrame:
        """The upstream table: whole, or of the partitions that map to this run."""
        table = context.asset_key.path[-1]
        if not table_of(table).keys or not context.has_asset_partitions:
            return self.store.scan(table)
        return self.store.scan(table, sorted(context.asset_partition_keys))
