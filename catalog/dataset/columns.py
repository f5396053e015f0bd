"""Columns of the dataset: levels, held-out splits, and the filter of labeled rows."""

from __future__ import annotations

import polars as pl

LEVEL_COLUMNS = ["level_1", "level_2", "level_3", "level_4"]
HELD_OUT = ("val", "test", "golden")

labeled = pl.col("level_4").is_not_null()
