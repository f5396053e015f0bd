"""Big feeds and changing feeds, through the sensor's tick and the assets that parse them."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from catalog_assets.definitions import definitions
from catalog_assets.flow import register_arrivals, run_jobs
from catalog_assets.ingestion.feed_sensor import feed_sensor
from catalog_assets.ingestion.inbox import arrivals
from catalog_assets.ingestion.scan_settings import ScanSettings
from resources.policies import ArrivalPolicy
from resources.settings import Settings
from resources.store import Store
from tests.catalog.feeds.reading import as_tsv
from tests.catalog_assets.delivering import INGEST, current, drop, parse, product_ids, website, write_settings


@pytest.fixture
def store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose deliveries have three rows at most."""
    monkeypatch.setenv("SHELFSIGHT_MAX_DELIVERY_ROWS", "3")
    write_settings(store)
    return store


def converted(store: Store) -> dict[str, list[str]]:
    """The Parquet files in each folder of parts."""
    folders = defaultdict[str, list[str]](list)
    for path in sorted((store.local / "deliveries" / "parts").glob("*/*/*.parquet")):
        folders[str(path.parent)].append(path.name)
    return folders


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """The address of a web server, its folder, and the requests that it received."""
    with website(tmp_path / "www") as (url, requests):
        yield url, tmp_path / "www", requests


def test_the_parts_of_one_file_are_requested_in_one_tick_with_a_run_each(
    store: Store, instance: dg.DagsterInstance
) -> None:
    write_settings(store)
    drop(store, "abcdefg")
    resources = {"store": store, "arrival_policy": ArrivalPolicy(max_delivery_rows=3)}
    context = dg.build_sensor_context(instance=instance, resources=resources)
    result = feed_sensor(context)
    assert isinstance(result, dg.SensorResult)
    keys = ["hansen.big.00001", "hansen.big.00002", "hansen.big.00003"]
    assert [request.partition_key for request in result.run_requests or []] == keys
    assert len({request.run_key for request in result.run_requests or []}) == 3
    (added,) = result.dynamic_partitions_requests or []
    assert added.partition_keys == keys
    assert [event.partition for event in result.asset_events] == keys


def test_parts_are_parsed_once_and_number_their_rows_as_the_file_does(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store, "abcdefg")
    assert parse(store, instance).num_runs == 3
    assert parse(store, instance).num_runs == 0
    products = store.scan("products").sort("row").collect()
    assert "".join(products["item_id"]) == "abcdefg"
    assert products["row"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert product_ids(store, "hansen.big.00003") == ("g", "")


def test_products_keep_their_positions_and_missing_ones_are_marked(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "abc")
    parse(store, instance)
    drop(store, "cxa")
    parse(store, instance)
    assert product_ids(store, "hansen.big") == ("abcx", "b")
    drop(store, "bac")
    parse(store, instance)
    assert product_ids(store, "hansen.big") == ("abcx", "x")
    assert current(store) == "abc"


def test_a_feed_that_shrinks_leaves_no_part_that_looks_alive(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "abcdefg")
    parse(store, instance)
    drop(store, "abcde")
    assert parse(store, instance).num_runs == 3
    assert product_ids(store, "hansen.big.00002") == ("def", "f")
    assert product_ids(store, "hansen.big.00003") == ("g", "g")
    assert current(store) == "abcde"
    assert parse(store, instance).num_runs == 0
    assert [len(files) for files in converted(store).values()] == [2]


def test_a_feed_that_outgrows_its_delivery_moves_into_parts_and_back(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store, "abc")
    parse(store, instance)
    drop(store, "abcd")
    assert parse(store, instance).num_runs == 3
    assert product_ids(store, "hansen.big") == ("abc", "abc")
    assert current(store) == "abcd"
    assert [len(files) for files in converted(store).values()] == [2]
    drop(store, "bc")
    parse(store, instance)
    assert converted(store) == {}
    assert product_ids(store, "hansen.big") == ("abc", "a")
    assert product_ids(store, "hansen.big.00001") == ("abc", "abc")
    assert current(store) == "bc"


def test_a_row_that_is_put_before_all_others_shifts_them_and_loses_none(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store, "bcdefg")
    parse(store, instance)
    drop(store, "abcdefg")
    parse(store, instance)
    assert product_ids(store, "hansen.big.00001") == ("bcda", "d")
    assert current(store) == "abcdefg"


def test_other_limits_cut_the_same_file_anew(
    store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(store, "abcdef")
    parse(store, instance)
    received_at = {record.received_at for record in store.deliveries(["hansen.big.00001", "hansen.big.00002"])}
    monkeypatch.setenv("SHELFSIGHT_MAX_DELIVERY_ROWS", "100")
    parse(store, instance)
    assert product_ids(store, "hansen.big") == ("abcdef", "")
    assert product_ids(store, "hansen.big.00002") == ("def", "def")
    assert {record.received_at for record in store.deliveries(["hansen.big"])} == received_at


def test_a_partner_s_new_column_names_convert_and_parse_its_feed_again(
    store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELFSIGHT_GATE_MAX_REMOVED", "1")  # all ids are others
    drop(store, "abcd")
    parse(store, instance)
    reference = store.local / "reference"
    (reference / "columns.csv").write_text("column,attribute\nproduct_type,id\nid,color\n")
    (reference / "partners.toml").write_text("[partners.hansen]\ncolumns = 'columns.csv'\n")
    path = store.local / "inbox" / "hansen" / "big.tsv"
    path.write_bytes(as_tsv([(each, "t", "u", "", "1", each.upper()) for each in "abcd"]))
    found = arrivals(store, instance, {}, ScanSettings(max_rows=3))
    first = arrivals(store, instance, found.seen, ScanSettings(max_rows=3))
    assert (first.deliveries, first.problems) == ([], [])
    parse(store, instance)
    assert current(store) == "ABCD"
    (reference / "columns.csv").write_text("column,attribute\nproduct_type,brand\n")
    second = arrivals(store, instance, first.seen, ScanSettings(max_rows=3))
    assert [delivery.key for delivery in second.deliveries] == ["hansen.big.00001", "hansen.big.00002"]
    assert len(converted(store)) == 1
    parse(store, instance)
    assert current(store) == "abcd"


def test_temporarily_unreadable_settings_convert_no_feed_again(store: Store, instance: dg.DagsterInstance) -> None:
    reference = store.local / "reference"
    (reference / "columns.csv").write_text("column,attribute\ntitle,color\n")
    settings = "[partners.hansen]\ncolumns = 'columns.csv'\n"
    (reference / "partners.toml").write_text(settings)
    drop(store, "abcd")
    first = arrivals(store, instance, {}, ScanSettings(max_rows=3))
    before = converted(store)
    (reference / "partners.toml").write_text("[partners.hansen")
    second = arrivals(store, instance, first.seen, ScanSettings(max_rows=3))
    assert (second.deliveries, second.seen, converted(store)) == ([], first.seen, before)
    drop(store, "abcde")
    third = arrivals(store, instance, second.seen, ScanSettings(max_rows=3))
    assert len(third.deliveries) == 2
    (reference / "partners.toml").write_text(settings)
    fourth = arrivals(store, instance, third.seen, ScanSettings(max_rows=3))
    assert {delivery.columns for delivery in fourth.deliveries} == {first.deliveries[0].columns}


def test_a_limit_that_is_no_number_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_MAX_DELIVERY_ROWS", "many")
    with pytest.raises(ValueError, match="SHELFSIGHT_MAX_DELIVERY_ROWS is 'many': input should be a valid integer"):
        definitions(Settings.read(store=store.root))


def test_a_scan_that_takes_long_leaves_the_rest_to_the_next(store: Store, instance: dg.DagsterInstance) -> None:
    for name in ("one.tsv", "two.tsv"):
        drop(store, "abc", name)
    found = arrivals(store, instance, {}, ScanSettings(max_scan_s=-1.0))
    assert (found.deliveries, found.seen) == ([], {})
    found = arrivals(store, instance, found.seen)
    assert len(found.deliveries) == len(found.seen) == 2
    assert arrivals(store, instance, found.seen, ScanSettings(max_scan_s=-1.0)).seen == found.seen


def test_a_removed_product_is_not_fetched_again_and_all_images_are_kept(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder, requests = served
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    noise = np.random.default_rng(5)
    for each in "abxy":
        Image.fromarray(noise.integers(0, 255, (64, 64, 3), np.uint8)).save(folder / f"{each}.jpg")

    def deliver(ids: str) -> list[str]:
        """The requests to the shop after a feed with these products."""
        drop(store, ids, images=url)
        requests.clear()
        assert register_arrivals(store, instance) == []
        assert not run_jobs(definitions(Settings.read(store=store.root)), instance, [INGEST]).refused
        return sorted(requests)

    def downloaded() -> dict[str, str]:
        outcomes = store.scan("outcomes", ["hansen.big"]).collect()
        return dict(outcomes.select("product_id", "status").iter_rows())

    assert deliver("ab") == ["GET /a.jpg", "GET /b.jpg"]
    assert deliver("xa") == ["GET /x.jpg"]
    assert downloaded() == {"hansen:a": "ok", "hansen:b": "ok", "hansen:x": "ok"}
    assert product_ids(store, "hansen.big") == ("abx", "b")
    images = store.scan("images", ["hansen.big"]).select("product_id").collect()["product_id"].to_list()
    assert images == ["hansen:a", "hansen:b", "hansen:x"]
    assert deliver("bxa") == []  # it returns, and its image is there


def test_a_part_without_products_left_fails_no_check(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _, _ = served
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    drop(store, "abcd")
    parse(store, instance)  # and nothing of it is downloaded
    drop(store, "ab", images=url)
    assert register_arrivals(store, instance) == []
    progress = run_jobs(definitions(Settings.read(store=store.root)), instance, [INGEST])
    assert set(progress.refused) == {"hansen.big"}  # the web server has no image of a and b
    assert product_ids(store, "hansen.big.00001") == ("abc", "abc")
