"""Staleness: what needs materializing, also where Dagster stops comparing versions."""

import dagster as dg
import pytest

from catalog_assets.idioms.staleness import needs_materializing
from resources.dagster_internals import MAX_CHECKED_PARTITIONS

parts = dg.DynamicPartitionsDefinition(name="parts")


@dg.asset(partitions_def=parts)
def source() -> None:
    """Delivered part by part: the tests report it."""


@dg.asset(deps=[source])
def whole() -> None:
    """Made from all parts."""


@dg.asset(partitions_def=parts, deps=[source])
def part() -> None:
    """Made from its part."""


defs = dg.Definitions(assets=[source, whole, part])


def deliver(instance: dg.DagsterInstance, *keys: str, version: str = "1") -> None:
    instance.add_dynamic_partitions("parts", list(keys))
    for key in keys:
        tags = {"dagster/data_version": version}
        instance.report_runless_asset_event(dg.AssetMaterialization("source", partition=key, tags=tags))


def make(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, key: str | None = None) -> None:
    assert dg.materialize([source, asset], instance=instance, selection=[asset], partition_key=key).success


@pytest.mark.parametrize("num_parts", [3, MAX_CHECKED_PARTITIONS + 1])
def test_the_whole_is_due_until_it_is_made_and_once_a_part_was_added(
    instance: dg.DagsterInstance, num_parts: int
) -> None:
    deliver(instance, *(f"part-{number}" for number in range(num_parts)))
    assert needs_materializing(defs, instance, "whole", None)
    make(instance, whole)
    assert not needs_materializing(defs, instance, "whole", None)
    deliver(instance, "another")
    assert needs_materializing(defs, instance, "whole", None)
    make(instance, whole)
    assert not needs_materializing(defs, instance, "whole", None)


@pytest.mark.parametrize("num_parts", [3, MAX_CHECKED_PARTITIONS + 1])
def test_the_whole_is_due_once_a_part_has_changed(instance: dg.DagsterInstance, num_parts: int) -> None:
    deliver(instance, *(f"part-{number}" for number in range(num_parts)))
    make(instance, whole)
    deliver(instance, "part-1", version="2")
    assert needs_materializing(defs, instance, "whole", None)


def test_a_part_is_due_only_where_its_own_input_has_changed(instance: dg.DagsterInstance) -> None:
    deliver(instance, "part-1", "part-2")
    assert needs_materializing(defs, instance, "part", "part-1")
    for key in ("part-1", "part-2"):
        make(instance, part, key)
    deliver(instance, "part-1", version="2")
    assert [needs_materializing(defs, instance, "part", key) for key in ("part-1", "part-2")] == [True, False]
