"""Retention: a job that removes what nothing refers to any more; it only lists it unless told to remove it."""

import dagster as dg
import polars as pl
from pydantic import Field

from catalog_assets.markdown import table
from catalog_assets.partitions import encoder_recipes, judged_classifiers
from resources.retention import DAY_S, Known, remove, superseded
from resources.store import Store


class RetentionConfig(dg.Config):
    """What a person decides."""

    apply: bool = Field(default=False, description="Remove what is listed; look at the list first.")
    min_age_days: float = Field(default=7.0, ge=0, description="Leave alone what was written since.")


@dg.op
def remove_superseded(context: dg.OpExecutionContext, config: RetentionConfig, store: Store) -> None:
    """List what nothing refers to, and remove it where `apply` says so."""
    known = Known(encoders=encoder_recipes.get_partition_keys(), classifiers=judged_classifiers.get_partition_keys())
    found = superseded(store, known, config.min_age_days * DAY_S)
    total = sum(each.bytes for each in found)
    listed = pl.DataFrame(
        {
            "path": [str(each.path.relative_to(store.local)) for each in found],
            "mib": [each.bytes / 2**20 for each in found],
            "why": [each.reason for each in found],
        },
        schema={"path": pl.String, "mib": pl.Float64, "why": pl.String},
    )
    if config.apply:
        remove(found)
    done = "removed" if config.apply else "to remove; set `apply` to do it"
    context.log.info(f"{len(found)} things of {total / 2**20:,.0f} MiB {done}")
    context.add_output_metadata(
        {"superseded": dg.MetadataValue.md(table(listed)), "bytes": total, "removed": config.apply}
    )


@dg.job(description="List, or remove, what nothing refers to any more; what champions were made of is kept.")
def retain() -> None:
    """See `remove_superseded`."""
    remove_superseded()
