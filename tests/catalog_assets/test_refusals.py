"""Refusals are one line that names the thing and the way out; everything else continues."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.flow import Progress, register_arrivals, run_jobs
from catalog_assets.ingestion.inbox import arrivals
from resources.recipes import PRESETS
from resources.settings import Settings
from resources.store import Store

TAXONOMY = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n2 - Clothing > Hats\n"
GOOD = "id\ttitle\timage_link\tgoogle_product_category\n1\tHat\tnot a link\t2\n2\tHat\thttp://127.0.0.1:9/2.jpg\t2\n"
INGEST = "ingest"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("SHELFSIGHT_ALLOWED_NETWORKS", raising=False)  # loopback is refused, as in production
    root = tmp_path / "store"
    (root / "reference").mkdir(parents=True)
    (root / "reference" / "taxonomy.txt").write_text(TAXONOMY)
    (root / "reference" / "partners.toml").write_text("[partners.hansen]\n")
    drop(root, "good.tsv", GOOD.encode())
    return Store(root=str(root))


def drop(root: Path, name: str, content: bytes) -> None:
    path = root / "inbox" / "hansen" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def ingest(store: Store, instance: dg.DagsterInstance) -> Progress:
    assert register_arrivals(store, instance) == []
    return run_jobs(definitions(Settings.read(store=store.root)), instance, [INGEST])


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("bad.xml", b"<?xml version='1.0'?><rss><channel><item>", "broken XML"),
        ("bad.parquet", b"PAR1 but no more", "not a readable Parquet file"),
        ("bad.csv", b"", "empty"),
    ],
)
def test_a_broken_feed_is_refused_when_it_arrives_and_the_others_go_on(
    store: Store, instance: dg.DagsterInstance, name: str, content: bytes, problem: str
) -> None:
    drop(store.local, name, content)
    (problem_found,) = register_arrivals(store, instance)
    assert name in problem_found
    assert problem in problem_found
    assert "\n" not in problem_found
    run_jobs(definitions(Settings.read(store=store.root)), instance, [INGEST])
    assert len(store.scan("products").collect()) == 2


def test_a_feed_without_an_id_is_refused_until_its_partner_maps_a_column_to_it(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store.local, "bad.tsv", b"title\timage_link\nHat\thttp://shop/1.jpg\n")
    first = arrivals(store, instance, {})
    (problem,) = first.problems
    assert problem.startswith("feed is refused: hansen/bad.tsv: no column 'id'; the header has 'title', 'image_link'")
    assert "\n" not in problem
    assert [delivery.key for delivery in first.deliveries] == ["hansen.good"]
    (store.local / "reference" / "columns.csv").write_text("column,attribute\ntitle,id\n")
    (store.local / "reference" / "partners.toml").write_text("[partners.hansen]\ncolumns = 'columns.csv'\n")
    second = arrivals(store, instance, first.seen)  # the partner's other feed has these names now, too
    assert [delivery.key for delivery in second.deliveries] == ["hansen.bad", "hansen.good"]


def test_a_feed_without_a_newly_mapped_id_is_refused_and_the_others_go_on(
    store: Store, instance: dg.DagsterInstance
) -> None:
    settings = store.local / "reference" / "partners.toml"
    settings.write_text("[partners.hansen]\n[partners.jensen]\n")
    (store.local / "reference" / "columns.csv").write_text("column,attribute\nSKU,id\n")
    drop(store.local, "../jensen/bad.tsv", GOOD.encode())
    assert register_arrivals(store, instance) == []
    settings.write_text("[partners.hansen]\n[partners.jensen]\ncolumns = 'columns.csv'\n")
    progress = run_jobs(definitions(Settings.read(store=store.root)), instance, [INGEST])
    assert "no column 'SKU'" in progress.refused["jensen.bad"]
    assert "\n" not in progress.refused["jensen.bad"]
    assert len(store.scan("products", ["hansen.good", "jensen.bad"]).collect()) == 2


def test_broken_links_are_outcomes_and_too_many_fail_the_download_health_check(
    store: Store, instance: dg.DagsterInstance
) -> None:
    ingest(store, instance)
    outcomes = dict(store.scan("outcomes").select("product_id", "status").collect().iter_rows())
    assert outcomes == {"hansen:1": "invalid_url", "hansen:2": "blocked_address"}
    check = dg.AssetCheckKey(dg.AssetKey("outcomes"), "download_health")
    record = instance.get_latest_asset_check_evaluation_record(check)
    assert record is not None
    assert record.event is not None
    assert record.event.dagster_event is not None
    assert not record.event.dagster_event.asset_check_evaluation_data.passed


def test_a_feed_rewritten_after_its_registration_is_not_parsed_as_the_old_one(
    store: Store, instance: dg.DagsterInstance
) -> None:
    assert register_arrivals(store, instance) == []
    drop(store.local, "good.tsv", GOOD.replace("Hat", "Cap").encode())
    progress = run_jobs(definitions(Settings.read(store=store.root)), instance, [INGEST])
    assert "changed since" in progress.refused["hansen.good"]


def test_a_missing_taxonomy_names_its_path(store: Store, instance: dg.DagsterInstance) -> None:
    (store.local / "reference" / "taxonomy.txt").unlink()
    progress = ingest(store, instance)
    assert "taxonomy.txt" in progress.refused["hansen.good"]


def test_an_unknown_partner_names_the_file_to_edit(store: Store, instance: dg.DagsterInstance) -> None:
    (store.local / "reference" / "partners.toml").write_text("[partners.jensen]\n")
    reason = ingest(store, instance).refused["hansen.good"]
    assert "hansen" in reason
    assert "jensen" in reason
    assert "partners.toml" in reason


def test_a_store_that_cannot_be_written_names_the_path(store: Store, instance: dg.DagsterInstance) -> None:
    (store.local / "products").write_text("a file where the folder should be")
    assert str(store.local / "products") in ingest(store, instance).refused["hansen.good"]


def test_an_unknown_recipe_lists_similar_ones() -> None:
    with pytest.raises(ValueError, match="imagenet-lite0"):
        PRESETS.encoder("imagenet-lite9")
    with pytest.raises(ValueError, match="simclr-mnv3-finetune"):
        PRESETS.classifier("simclr-mnv3")


def test_a_product_delivered_again_replaces_the_older_one(store: Store, instance: dg.DagsterInstance) -> None:
    ingest(store, instance)
    drop(store.local, "later.tsv", GOOD.replace("Hat", "Cap").encode())
    ingest(store, instance)
    titles = store.scan("products").filter(pl.col("item_id") == "1").collect()["title"]
    assert sorted(titles) == ["Cap", "Hat"]  # both rows stay; the dataset takes the newer
