"""Data versions: the fingerprint of an asset's content, so that a run with the same result triggers nothing."""

import hashlib
from collections.abc import Sequence

import dagster as dg
import polars as pl

from catalog.storage.content_hash import content_hash


def content_version(frame: pl.DataFrame) -> dg.DataVersion:
    """Hash a frame's schema and rows, in their order."""
    return dg.DataVersion(content_hash(frame))


def joint_version(versions: Sequence[dg.DataVersion]) -> dg.DataVersion:
    """Combine the versions of several partitions of one run, for all of which Dagster takes a single version."""
    if len(versions) == 1:
        return versions[0]
    return dg.DataVersion(hashlib.sha256("".join(version.value for version in versions).encode()).hexdigest())
