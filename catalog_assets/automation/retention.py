"""Retention: a job that lists files that nothing refers to any more, and removes them on request."""

import dagster as dg
import polars as pl
from pydantic import Field

from catalog_assets.idioms.markdown import table
from catalog_assets.partitions import encoder_recipes, evaluated_classifiers
from resources.artifacts.retention import DAY_S, Known, remove, superseded
from resources.policies import GatePolicy
from resources.store import Store


class RetentionConfig(dg.Config):
    """Configuration of a run of `retain`."""

    apply: bool = Field(default=False, description="Remove the listed files; without it they are only listed.")
    min_age_days: float = Field(default=7.0, ge=0, description="Keep files that are younger than this.")


@dg.op
def remove_superseded(
    context: dg.OpExecutionContext, config: RetentionConfig, store: Store, gate_policy: GatePolicy
) -> None:
    """Lists files and folders that nothing refers to, and removes them if `apply` is set."""
    known = Known(
        encoders=encoder_recipes.get_partition_keys(),
        classifiers=evaluated_classifiers.get_partition_keys(),
        kept_versions=gate_policy.kept_versions,
    )
    found = superseded(store, known, config.min_age_days * DAY_S)
    total = sum(each.bytes for each in found)
    listed = pl.DataFrame(
        {
            "path": [str(each.path.relative_to(store.local)) for each in found],
            "mib": [each.bytes / 2**20 for each in found],
            "reason": [each.reason for each in found],
        },
        schema={"path": pl.String, "mib": pl.Float64, "reason": pl.String},
    )
    if config.apply:
        remove(found)
    action = "removed" if config.apply else "to remove; set `apply` to do it"
    context.log.info(f"{len(found)} files or folders of {total / 2**20:,.0f} MiB {action}")
    context.add_output_metadata(
        {"superseded": dg.MetadataValue.md(table(listed)), "bytes": total, "removed": config.apply}
    )


@dg.job(description="List, or remove, files that nothing refers to any more; inputs of champions are kept.")
def retain() -> None:
    """See `remove_superseded`."""
    remove_superseded()
