"""A feed file in the inbox is processed by the real daemon without any manual step."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from catalog_assets.idioms.history import latest
from demo.catalog import write_extra_feed
from demo.fashion_mnist import FashionMnist
from resources.store import Store
from tests.conftest import NUM_PRODUCTS, TinyCatalog
from tests.end_to_end.browser import Page, browsing
from tests.end_to_end.services import Services, copy_of, serving
from tests.patience import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser]

NUM_EXTRA = 150
DELIVERY = "northloom.restock"
QUESTION = "SELECT product_id, path FROM universal_catalog WHERE delivery = 'northloom.restock'"


@dataclass(frozen=True)
class Restocked:
    """A store that took one more feed in and decided about a retrained classifier; its services are up."""

    services: Services
    store: Store
    instance: dg.DagsterInstance
    champion: str  # the classifier that was retrained
    grid_before: pl.DataFrame

    @property
    def reason(self) -> str:
        """Of the newest decision."""
        made = latest(self.instance, "champion_decisions")
        assert made is not None
        return str(made.metadata["reason"].value)

    def asked(self, *words: str) -> Any:
        """Runs the command and returns its JSON output."""
        root = self.services.root
        environment = {**os.environ, "SHELFSIGHT_STORE": str(root), "DAGSTER_HOME": str(root / "dagster")}
        command = [sys.executable, "-m", "shelfsight", *words, "--json"]
        output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(output.stdout)


@pytest.fixture(scope="module")
def restocked(tiny_catalog: TinyCatalog, fashion_mnist: FashionMnist, module_folder: Path) -> Iterator[Restocked]:
    """All that follows by itself when a feed is dropped into the inbox, past the threshold of a retraining."""
    root = copy_of(tiny_catalog, module_folder)
    store = Store(root=str(root))
    champion = json.loads((root / "champion" / "champion.json").read_text())["classifier"]
    grid_before = store.scan("comparison").collect()
    with (
        dg.DagsterInstance.from_config(str(root / "dagster")) as instance,
        serving(root, SHELFSIGHT_RETRAIN_MIN_NEW_LABELS="30") as services,
    ):
        write_extra_feed(
            root / "inbox",
            data=fashion_mnist,
            seed=7,
            shop_url=f"http://127.0.0.1:{tiny_catalog.shop_port}",
            num_products=NUM_PRODUCTS,
            num_extra=NUM_EXTRA,
        )
        outcomes = root / "outcomes" / f"delivery={DELIVERY}"
        until(lambda: outcomes.exists() and any(outcomes.iterdir()), "the new delivery's download")
        until(lambda: store.holds("universal_catalog", DELIVERY), "the new products' categories")
        until(
            lambda: num_labels(store.scan("comparison").collect(), champion) > num_labels(grid_before, champion),
            "a retrained classifier in the grid",
        )
        trained_at = made_at(instance, "classifiers", champion)
        until(lambda: made_at(instance, "champion_decisions") > trained_at, "a decision about the retrained one")
        until(lambda: store.holds("drift", DELIVERY), "the new delivery's drift")
        yield Restocked(services, store, instance, champion, grid_before)


def test_one_more_feed_leads_to_its_images_their_categories_and_a_decision(restocked: Restocked) -> None:
    taken = restocked.store.scan("outcomes", [DELIVERY]).collect()
    assert len(taken) == NUM_EXTRA
    assert (taken["status"] == "ok").mean() > 0.7
    output = restocked.asked("query", QUESTION)
    assert sorted(row["product_id"] for row in output) == sorted(taken.filter(status="ok")["product_id"])
    assert DELIVERY in set(restocked.store.scan("dataset").collect()["delivery"])
    status = restocked.asked("status")
    assert status["waiting"] == []
    assert any(each.startswith("feed_sensor: ") for each in status["sensors"])


def test_no_run_fails_on_the_way_even_where_the_candidate_is_refused(restocked: Restocked) -> None:
    instance = restocked.instance
    failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    steps = {
        event.step_key
        for run in failed
        for event in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    }
    assert steps == set()


def test_a_person_follows_the_feed_to_the_decision_and_its_reason(restocked: Restocked, tmp_path: Path) -> None:
    with browsing(restocked.services.url) as page:
        page.open("/automation")
        page.click("feed_sensor")
        page.see("northloom/restock.tsv")
        only_ticks_that_requested_runs(page)
        page.click("1 run requested")
        page.see(DELIVERY)
        page.open("/assets/universal_catalog")
        page.click("Partitions")
        page.click(DELIVERY)
        page.see("by depth")
        page.shoot("catalog.png")
        page.open("/automation")
        page.click("retraining_sensor")
        only_ticks_that_requested_runs(page)
        page.click("1 run requested")
        page.see(f"new labels since '{restocked.champion}' was trained")
        page.shoot("retraining.png")
        page.open("/assets/champion_decisions")
        page.see(restocked.reason)
        page.shoot("decision.png")


def only_ticks_that_requested_runs(page: Page) -> None:
    """Filters the list of a sensor's ticks, of which a page shows the newest twenty-five."""
    page.click("All ticks")
    page.click("Requested")


def made_at(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> float:
    """Returns the time (Unix seconds) of the newest materialization of an asset or a partition."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=None if partition is None else [partition])
    records = instance.fetch_materializations(wanted, limit=1).records
    return records[0].timestamp if records else 0.0


def num_labels(grid: pl.DataFrame, classifier: str) -> int:
    """Returns the number of labels that a classifier was trained on."""
    return int(grid.row(by_predicate=pl.col("classifier") == classifier, named=True)["num_labels"])
