"""Former splits: the assignments of the build before, and the refusal to replace those of another run."""

from dataclasses import dataclass

import polars as pl
from upath import UPath

from catalog.dataset.assignments import SPLITS_SCHEMA, no_splits
from catalog.storage.files import fingerprint
from resources.store import Store

TABLE = "splits"


class SplitsReplacedError(RuntimeError):
    """The table `splits` that another run replaced meanwhile; the message names it and the way out."""


@dataclass(frozen=True)
class FormerSplits:
    """The table `splits` as a run read it.

    `rows` have product_id, group_id and split. A store of an earlier version has no such table: its dataset's groups
    and splits are adopted.
    """

    rows: pl.DataFrame
    path: UPath
    sha256: str | None  # None where there is no file

    @classmethod
    def read(cls, store: Store) -> "FormerSplits":
        """Reads the table, or the columns of the dataset without one; without either there is no row."""
        path = store.folder(TABLE) / "data.parquet"
        sha256 = fingerprint(path) if path.exists() else None  # first: a replacement while it is read is noticed, too
        known = next((table for table in (TABLE, "dataset") if store.holds(table)), None)
        rows = no_splits() if known is None else store.scan(known).select(list(SPLITS_SCHEMA)).collect()
        return cls(rows, path, sha256)

    def refuse_if_replaced(self) -> None:
        """Raises SplitsReplacedError if another run has replaced the table since: its assignments would be lost."""
        now = fingerprint(self.path) if self.path.exists() else None
        if now != self.sha256:
            raise SplitsReplacedError(
                f"another run replaced {self.path} while this one built the dataset; run dataset again"
            )
