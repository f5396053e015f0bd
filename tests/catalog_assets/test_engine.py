"""The engine: local or Spark by one variable, for the same assets."""

import os
import shutil

import dagster as dg
import pytest

from catalog_assets.definitions import definitions, engine
from demo.flow import Stage, bring_up_to_date, register_arrivals
from demo.shop import Shop
from resources.feed_taker import SparkFeedTaker
from resources.fetcher import Fetcher, SparkFetcher
from resources.store import Store
from tests.catalog.feeds.reading import as_tsv
from tests.catalog.images.pictures import jpeg

NUM_PRODUCTS = 2_100  # enough for several tasks
INGEST = Stage("ingest", ("products", "outcomes"), lambda instance: instance.get_dynamic_partitions("deliveries"))


@pytest.mark.skipif(
    shutil.which("java") is None and "JAVA_HOME" not in os.environ, reason="no Java; install 17 or newer"
)
def test_a_delivery_is_taken_and_downloaded_on_spark_and_the_session_ends_with_the_run(
    store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark.sql import SparkSession

    monkeypatch.setenv("SHELFSIGHT_ENGINE", "spark")
    monkeypatch.setenv("SHELFSIGHT_SPARK_MASTER", "local[2]")
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.0/8")
    reference, inbox = store.local / "reference", store.local / "inbox" / "acme"
    for folder in (reference, inbox):
        folder.mkdir(parents=True)
    (reference / "taxonomy.txt").write_text("# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n")
    (reference / "partners.toml").write_text("[partners.acme]\n")
    data = jpeg(40, 30)
    with Shop(lambda picture_id: data, faults={}.get) as shop:
        rows = [(f"i{n}", "t", f"{shop.url}/p/{n % 300}.jpg", "", "1", "") for n in range(NUM_PRODUCTS)]
        (inbox / "feed.tsv").write_bytes(as_tsv(rows))
        assert register_arrivals(store, instance) == []
        progress = bring_up_to_date(definitions(store.root), instance, [INGEST])
    assert not progress.refused
    assert store.scan("products").collect()["row"].to_list() == list(range(1, NUM_PRODUCTS + 1))
    outcomes = store.scan("outcomes").collect()
    assert outcomes["status"].to_list() == ["ok"] * NUM_PRODUCTS
    assert outcomes["shard"].n_unique() == 3
    assert SparkSession.getActiveSession() is None


def test_the_engine_is_local_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHELFSIGHT_ENGINE", raising=False)
    assert type(engine("")["fetcher"]) is Fetcher
    monkeypatch.setenv("SHELFSIGHT_ENGINE", "spark")
    assert type(engine("")["fetcher"]) is SparkFetcher
    assert type(engine("")["feed_taker"]) is SparkFeedTaker
    monkeypatch.setenv("SHELFSIGHT_ENGINE", "ray")
    with pytest.raises(ValueError, match="unknown SHELFSIGHT_ENGINE 'ray'; it is local or spark"):
        engine("")
