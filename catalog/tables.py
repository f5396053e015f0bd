"""Tables: what the store holds, and the keys that name the folders of each table's partitions.

Whoever writes a table and whoever asks it in SQL read the layout here, so it is said once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Table:
    """A table of the store; `keys` are the partition keys, outermost folder first, none for a table of one piece."""

    name: str
    keys: tuple[str, ...] = ()

    @property
    def files(self) -> str:
        """The glob of its files below the store's root."""
        return "/".join([self.name, *(f"{key}=*" for key in self.keys), "*.parquet"])

    def folder(self, *partition: str) -> str:
        """The folder of the table, or of the partition that these keys' values name, below the store's root."""
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
            Table("dataset"),
            Table("embeddings", ("encoder",)),
            Table("encoder_quality", ("encoder",)),
            Table("suspect_labels", ("encoder",)),
            Table("predictions", ("classifier", "split")),
            Table("metrics", ("classifier",)),
            Table("confusion", ("classifier",)),
            Table("calibration", ("classifier",)),
            Table("confidence", ("classifier",)),
            Table("universal_catalogue", ("delivery",)),
            Table("drift", ("delivery",)),
            Table("embedding_drift", ("encoder",)),
            Table("golden_score"),
            Table("link_rot"),
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
    """The table of that name; an unknown one raises ValueError listing the known."""
    if name not in TABLES:
        raise ValueError(f"unknown table {name!r}; the store holds {', '.join(TABLES)}")
    return TABLES[name]
