"""Descriptions of tables and views: one sentence each, and the type and meaning of every column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

DataType = pl.DataType | type[pl.DataType]


@dataclass(frozen=True)
class Column:
    """A column of a table: its type and its meaning. Arrays of a fixed length are described as lists."""

    dtype: pl.DataType
    description: str


@dataclass(frozen=True)
class TableDescription:
    """A table of the store, or the JSON files of a folder seen as one; `columns` are in the order of the files."""

    description: str
    columns: Mapping[str, Column]

    @property
    def schema(self) -> pl.Schema:
        """The types of the columns."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})


@dataclass(frozen=True)
class ViewDescription:
    """A view of the warehouse; `columns` maps each column to its meaning, in the order that the view returns them."""

    description: str
    columns: Mapping[str, str]


def columns(schema: Mapping[str, DataType], **descriptions: str) -> dict[str, Column]:
    """Combines a table's schema with a description of each column.

    Raises:
        ValueError: a column has no description, or a description no column.
    """
    if schema.keys() != descriptions.keys():
        raise ValueError(f"no description or no such column: {', '.join(sorted(schema.keys() ^ descriptions.keys()))}")
    return {name: Column(_instance(dtype), descriptions[name]) for name, dtype in schema.items()}


def text(description: str) -> Column:
    """A column of strings."""
    return Column(pl.String(), description)


def integer(description: str, dtype: DataType = pl.Int64) -> Column:
    """A column of integers, of 64 bits unless another type is given."""
    return Column(_instance(dtype), description)


def number(description: str, dtype: DataType = pl.Float64) -> Column:
    """A column of floating-point numbers, of 64 bits unless another type is given."""
    return Column(_instance(dtype), description)


def flag(description: str) -> Column:
    """A column of booleans."""
    return Column(pl.Boolean(), description)


def estimate(name: str, description: str) -> dict[str, Column]:
    """Three columns: a figure and the two ends of its 95 % interval, `NAME_low` and `NAME_high`."""
    return {
        name: number(description),
        f"{name}_low": number(f"Lower end of the 95 % interval of `{name}`."),
        f"{name}_high": number(f"Upper end of the 95 % interval of `{name}`."),
    }


def _instance(dtype: DataType) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype
