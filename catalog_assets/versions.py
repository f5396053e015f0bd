"""Data versions: the fingerprint of what an asset holds, so that a re-run with the same outcome disturbs nobody."""

import hashlib
from collections.abc import Sequence

import dagster as dg
import polars as pl

from catalog.files import content_hash


def content_version(frame: pl.DataFrame) -> dg.DataVersion:
    """A hash of a frame's schema and rows, in their order."""
    return dg.DataVersion(content_hash(frame))


def joint_version(versions: Sequence[dg.DataVersion]) -> dg.DataVersion:
    """The version of what one run made of several partitions: Dagster takes one for all of them."""
    if len(versions) == 1:
        return versions[0]
    return dg.DataVersion(hashlib.sha256("".join(version.value for version in versions).encode()).hexdigest())
