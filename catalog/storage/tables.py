"""Tables of the store, with the partition keys that name the folders of each.

Assets that write tables and the warehouse that reads them share this layout. `catalog.schema` describes the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Table:
    """A table of the store; `keys` are its partition keys, outermost folder first; without keys it is one folder."""

    name: str
    keys: tuple[str, ...] = ()

    @property
    def files(self) -> str:
        """The glob pattern of its files, relative to the store's root."""
        return "/".join([self.name, *(f"{key}=*" for key in self.keys), "*.parquet"])

    def folder(self, *partition: str) -> str:
        """Returns the folder of the table, or of a partition given by its key values, relative to the store's root."""
        named = zip(self.keys, partition, strict=False)
        return "/".join([self.name, *(f"{key}={value}" for key, value in named)])


TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table("taxonomy"),
            Table("taxonomy_moves"),
            Table("products", ("delivery",)),
            Table("rejected", ("delivery",)),
            Table("outcomes", ("delivery",)),
            Table("images", ("delivery",)),
            Table("download_probe"),
            Table("placeholders"),
            Table("splits"),
            Table("dataset"),
            Table("embeddings", ("encoder",)),
            Table("encoder_quality", ("encoder",)),
            Table("suspect_labels", ("encoder",)),
            Table("predictions", ("classifier", "split")),
            Table("metrics", ("classifier",)),
            Table("confusion", ("classifier",)),
            Table("calibration", ("classifier",)),
            Table("confidence", ("classifier",)),
            Table("universal_catalog", ("delivery",)),
            Table("drift", ("delivery",)),
            Table("embedding_drift", ("encoder",)),
            Table("golden_score"),
            Table("link_rot"),
            Table("feed_freshness"),
            Table("comparison"),
            Table("champion_decisions"),
            Table("students", ("student",)),
            Table("ensembles", ("ensemble",)),
            Table("attribute_predictions", ("attribute",)),
            Table("attribute_metrics", ("attribute",)),
            Table("share_outcomes", ("encoder", "share")),
            Table("data_efficiency"),
            Table("title_embeddings"),
            Table("multimodal", ("encoder",)),
            Table("trials", ("search",)),
        )
    }
)


def table_of(name: str) -> Table:
    """Returns the table of that name; raises ValueError with the known names for an unknown one."""
    if name not in TABLES:
        raise ValueError(f"unknown table {name!r}; the tables are {', '.join(TABLES)}")
    return TABLES[name]
