"""The table champion_decisions: read, and extended by one row in a single commit that loses no other row."""

import io
from dataclasses import dataclass
from typing import Any

import polars as pl
from upath import UPath

from catalog.storage.commits import commit
from catalog.storage.files import read_if_exists
from resources.store import Store

TABLE = "champion_decisions"
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "decided_at": pl.Datetime("us", "UTC"),
    "candidate": pl.String,
    "candidate_sha256": pl.String,
    "champion": pl.String,  # at the time of the decision; null before the first
    "champion_sha256": pl.String,
    "validation_value": pl.Float64,
    "split": pl.String,  # on which both were evaluated
    "images_sha256": pl.String,  # of the products and labels on which both were evaluated
    **dict.fromkeys(("num_samples", "only_candidate", "only_champion"), pl.Int64),
    **dict.fromkeys(("p_value", "p_exact", "difference", "difference_low", "difference_high"), pl.Float64),
    "cost_ratio": pl.Float64,  # the candidate's time per image divided by the champion's
    "promoted": pl.Boolean,
    "reason": pl.String,
    "version": pl.String,  # of the model in MLflow
}


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The rows of the table, oldest first, and the content of the file that they were read from (None without one)."""

    rows: pl.DataFrame
    content: bytes | None

    @property
    def last_promoted(self) -> dict[str, Any] | None:
        """The decision by which the champion was promoted, the last promoted row; None before the first."""
        promoted = self.rows.filter("promoted")
        return promoted.row(-1, named=True) if len(promoted) else None


def decisions_path(store: Store) -> UPath:
    """Returns the file of the table."""
    return store.folder(TABLE) / "data.parquet"


def read_decisions(store: Store) -> Decisions:
    """Reads the decisions; none where there is no table yet."""
    content = read_if_exists(decisions_path(store))
    rows = pl.DataFrame(schema=SCHEMA) if content is None else pl.read_parquet(content)
    return Decisions(rows=rows, content=content)


def append_decision(store: Store, decisions: Decisions, row: dict[str, Any]) -> Decisions:
    """Adds a decision to those that were read; this is the commit of a promotion or a refusal.

    Raises:
        ConflictError: another run has added a decision since they were read; its row stays, and this is not added.
        StoreNotWritableError: the table cannot be written.
    """
    rows = pl.concat([decisions.rows, pl.DataFrame([row], schema=SCHEMA)])
    file = io.BytesIO()
    rows.write_parquet(file, compression="zstd")
    commit(decisions_path(store), file.getvalue(), replacing=decisions.content)
    return Decisions(rows=rows, content=file.getvalue())
