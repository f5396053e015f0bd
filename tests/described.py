"""Tables compared with their description in `catalog.schema`."""

from pathlib import Path

import polars as pl

from catalog.schema.tables import TABLE_DESCRIPTIONS
from catalog.storage.tables import table_of


def assert_described(root: str | Path, name: str) -> None:
    """Every file of the table below `root` has exactly the described columns, in their order and of their types."""
    files = sorted(Path(root).glob(table_of(name).files))
    assert files, f"no file of {name}"
    described = dict(TABLE_DESCRIPTIONS[name].schema)
    for file in files:
        written = {column: _as_list(dtype) for column, dtype in pl.read_parquet_schema(file).items()}
        assert list(written.items()) == list(described.items()), file


def _as_list(dtype: pl.DataType) -> pl.DataType:
    """The length of an embedding depends on its encoder, so it is described as a list."""
    return pl.List(dtype.inner) if isinstance(dtype, pl.Array) else dtype
