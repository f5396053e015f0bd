"""The second catalog: real photographs of many senders through the same assets, without a line changed."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.flow import register_arrivals, run_jobs
from catalog_assets.plan import Plan
from demo.clothing import clothing_images, write_clothing
from demo.settings import allow_shop
from demo.shop import Shop
from resources.settings import Settings
from resources.store import Store
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.end_to_end
DATA = REPOSITORY.parent / "shared" / "data"
SAMPLE = 700
JOBS = ("prepare", "ingest", "assemble", "encode", "train", "evaluate", "compare")


@pytest.mark.skipif(not (DATA / "clothing").is_dir(), reason=f"no clothing photographs at {DATA / 'clothing'}")
def test_photographs_of_many_senders_become_an_evaluated_classifier(tmp_path: Path) -> None:
    root = tmp_path / "store"
    allow_shop()
    folder = DATA / "clothing"
    overrides = {"telemetry": {"enabled": False}}
    with (
        Shop(clothing_images(folder), faults=lambda _: None) as shop,
        dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance,
    ):
        write_clothing(
            root / "inbox",
            root / "reference",
            folder=folder,
            taxonomy=DATA / "google_taxonomy" / "taxonomy-with-ids.en-US.txt",
            shop_url=shop.url,
            sample=SAMPLE,
        )
        store = Store(root=str(root))
        assert register_arrivals(store, instance) == []
        plan = Plan(encoders=["imagenet-lite0"], classifiers=["imagenet-lite0-probe"])
        assert not run_jobs(definitions(Settings.read(store=str(root))), instance, JOBS, plan).refused

    dataset = store.scan("dataset").join(store.scan("products").select("product_id", "item_group_id"), on="product_id")
    splits = dataset.filter(pl.col("item_group_id").is_not_null()).group_by("item_group_id")
    senders = splits.agg(pl.col("split").n_unique()).collect()
    assert senders["split"].max() == 1  # nobody's photographs stand on both sides of a split
    assert len(senders) > 20
    grid = store.scan("comparison").collect()
    assert set(grid["split"]) == {"test"}  # there is no golden delivery here
    assert grid["top1"].item() > 0.4
