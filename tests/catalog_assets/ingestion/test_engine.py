"""The engine: local or Spark by one variable, for the same assets."""

import os
import shutil

import dagster as dg
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.flow import register_arrivals, run_jobs
from demo.shop import Shop
from resources.configured import engine
from resources.downloader import ImageDownloader, SparkImageDownloader
from resources.feed_parser import SparkFeedParser
from resources.settings import Settings
from resources.store import Store
from tests.catalog.feeds.reading import as_tsv
from tests.catalog.images.sample_images import jpeg

pytestmark = pytest.mark.end_to_end
NUM_PRODUCTS = 2_100  # enough for several tasks
INGEST = "ingest"


@pytest.mark.skipif(
    shutil.which("java") is None and "JAVA_HOME" not in os.environ, reason="no Java; install 17 or newer"
)
def test_delivery_is_parsed_and_downloaded_on_spark(
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
    with Shop(lambda image_id: data, faults={}.get) as shop:
        rows = [(f"i{n}", "t", f"{shop.url}/p/{n % 300}.jpg", "", "1", "") for n in range(NUM_PRODUCTS)]
        (inbox / "feed.tsv").write_bytes(as_tsv(rows))
        assert register_arrivals(store, instance) == []
        progress = run_jobs(definitions(Settings.read(store=store.root)), instance, [INGEST])
    assert not progress.refused
    assert store.scan("products").collect()["row"].to_list() == list(range(1, NUM_PRODUCTS + 1))
    outcomes = store.scan("outcomes").collect()
    assert outcomes["status"].to_list() == ["ok"] * NUM_PRODUCTS
    assert outcomes["shard"].n_unique() == 3
    assert SparkSession.getActiveSession() is None


def test_the_engine_is_local_unless_the_settings_name_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHELFSIGHT_ENGINE", raising=False)
    assert type(engine(Settings.read(), "")["image_downloader"]) is ImageDownloader
    monkeypatch.setenv("SHELFSIGHT_ENGINE", "spark")
    assert type(engine(Settings.read(), "")["image_downloader"]) is SparkImageDownloader
    assert type(engine(Settings.read(), "")["feed_parser"]) is SparkFeedParser
    monkeypatch.setenv("SHELFSIGHT_ENGINE", "ray")
    with pytest.raises(ValueError, match="SHELFSIGHT_ENGINE is 'ray': input should be 'local' or 'spark'"):
        Settings.read()
