"""A feed file dropped into the inbox, with the real daemon running, and no hand's touch after that."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from demo.catalogue import write_extra_feed
from demo.fashion_mnist import FashionMnist
from resources.store import Store
from tests.conftest import NUM_PRODUCTS, TinyCatalogue
from tests.end_to_end.services import copy_of, serving, until

NUM_EXTRA = 150


@pytest.mark.end_to_end
@pytest.mark.timeout(480)
def test_one_more_feed_leads_to_its_pictures_their_categories_and_a_retrained_classifier_in_the_grid(
    tiny_catalogue: TinyCatalogue, fashion_mnist: FashionMnist, tmp_path: Path
) -> None:
    root = copy_of(tiny_catalogue, tmp_path)
    store = Store(root=str(root))
    before = store.scan("comparison").collect()
    champion = json.loads((root / "champion" / "champion.json").read_text())
    with serving(root, SHELFSIGHT_RETRAIN_MIN_NEW_LABELS="30"):
        write_extra_feed(
            root / "inbox",
            data=fashion_mnist,
            seed=7,
            shop_url=f"http://127.0.0.1:{tiny_catalogue.shop_port}",
            num_products=NUM_PRODUCTS,
            num_extra=NUM_EXTRA,
        )
        outcomes = root / "outcomes" / "delivery=northloom.restock"
        until(lambda: outcomes.exists() and any(outcomes.iterdir()), 120, "the new delivery's download")
        until(lambda: store.holds("universal_catalogue", "northloom.restock"), 120, "the new products' categories")
        until(
            lambda: _num_labels(store, champion["classifier"]) > _labels(before, champion["classifier"]),
            300,
            "a retrained classifier in the grid",
        )
        until(lambda: store.holds("drift", "northloom.restock"), 120, "the new delivery's drift")
        told = _status(root)
    assert told["waiting"] == []
    assert any(each.startswith("feed_sensor: ") for each in told["sensors"])
    taken = store.scan("outcomes", ["northloom.restock"]).collect()
    assert len(taken) == NUM_EXTRA
    assert (taken["status"] == "ok").mean() > 0.7
    categories = store.scan("universal_catalogue", ["northloom.restock"]).collect()
    assert sorted(categories["product_id"]) == sorted(taken.filter(status="ok")["product_id"])
    assert "northloom.restock" in set(store.scan("dataset").collect()["delivery"])


def _status(root: Path) -> dict[str, list[str]]:
    """What the command tells of this store and its daemon."""
    environment = {**os.environ, "SHELFSIGHT_STORE": str(root), "DAGSTER_HOME": str(root / "dagster")}
    command = [sys.executable, "-m", "shelfsight", "status", "--json"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    status: dict[str, list[str]] = json.loads(told.stdout)
    return status


def _labels(grid: pl.DataFrame, classifier: str) -> int:
    return int(grid.row(by_predicate=pl.col("classifier") == classifier, named=True)["num_labels"])


def _num_labels(store: Store, classifier: str) -> int:
    return _labels(store.scan("comparison").collect(), classifier)
