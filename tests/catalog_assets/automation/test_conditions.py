"""Automation conditions of the real definitions: what is requested after a change, and what is not."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.partitions import deliveries
from resources.settings import Settings

DELIVERY = "hansen.spring"
# Of the evaluation by hand.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


class Automation:
    """The definitions over an instance, ticked by hand."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._defs = definitions(Settings.read(store=str(root)))
        self._cursor: Any = None
        self.requested()

    def made(self, *assets: str, partition: str | None = None) -> None:
        """Reports assets as materialized."""
        for asset in assets:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=partition))

    def requested(self) -> set[str]:
        """Evaluates all conditions; returns the assets that are requested."""
        result = dg.evaluate_automation_conditions(self._defs, instance=self.instance, cursor=self._cursor)
        self._cursor = result.cursor
        keys = self._defs.resolve_asset_graph().materializable_asset_keys
        return {key.path[-1] for key in keys if result.get_num_requested(key)}


@pytest.fixture
def automation(tmp_path: Path, instance: dg.DagsterInstance) -> Automation:
    return Automation(tmp_path / "store", instance)


def test_on_an_empty_project_nothing_is_requested_that_lacks_an_input(automation: Automation) -> None:
    automation.made("taxonomy", "taxonomy_moves")  # by the job `prepare`
    assert automation.requested().isdisjoint({"dataset", "golden_score"})


def test_the_first_delivery_s_images_request_the_dataset(automation: Automation) -> None:
    automation.made("taxonomy", "taxonomy_moves")
    automation.instance.add_dynamic_partitions(str(deliveries.name), [DELIVERY])
    automation.made("products", partition=DELIVERY)
    assert "dataset" not in automation.requested()
    automation.made("images", "outcomes", partition=DELIVERY)
    assert {"placeholders"} <= automation.requested()
    automation.made("placeholders")
    assert "dataset" in automation.requested()


def test_a_new_dataset_requests_no_golden_score_without_a_champion(automation: Automation) -> None:
    automation.made("dataset")
    assert "golden_score" not in automation.requested()
