"""Data versions: the fingerprint of what an asset holds, so that a re-run with the same outcome disturbs nobody."""

import dagster as dg
import polars as pl

from catalog.files import content_hash


def content_version(frame: pl.DataFrame) -> dg.DataVersion:
    """A hash of a frame's schema and rows, in their order."""
    return dg.DataVersion(content_hash(frame))
