"""Catalog index: one row a product, with what the catalog page filters and sorts by, in a DuckDB file of its own."""

from pathlib import Path

from shelfsight.explorer.database import Database


class CatalogIndex:
    """The index of a store, rebuilt from the views when their tables change."""

    def __init__(self, database: Database, file: Path) -> None:
        self.database = database
        self.file = file

    def close(self) -> None:
        """Closes the index."""
