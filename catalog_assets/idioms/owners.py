"""Owners of the assets, by group: the teams responsible for each, as Dagster shows them."""

from collections.abc import Iterable
from typing import Any

import dagster as dg

OWNERS = {
    "ingestion": ["team:data-engineering"],
    "dataset": ["team:data-engineering"],
    "encoders": ["team:machine-learning"],
    "classifiers": ["team:machine-learning"],
    "evaluation": ["team:machine-learning", "team:category-management"],
    "serving": ["team:data-engineering", "team:category-management"],
    "automation": ["team:data-engineering"],
}


def with_owners(assets: Iterable[Any]) -> list[Any]:
    """Returns the assets with the owners of their groups; raises KeyError for a group that has none."""
    return list(dg.map_asset_specs(lambda spec: spec.replace_attributes(owners=OWNERS[spec.group_name or ""]), assets))
