"""Big feeds and changing feeds, through the sensor's tick and the assets that take them."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from catalog_assets.automation import ArrivalPolicy, feed_sensor
from catalog_assets.definitions import definitions
from catalog_assets.inbox import LookSettings, arrivals
from demo.flow import bring_up_to_date, register_arrivals
from resources.store import Store
from tests.catalog_assets.delivering import INGEST, current, drop, held, settle, take, website


@pytest.fixture
def store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose deliveries have three rows at most."""
    monkeypatch.setenv("SHELFSIGHT_MAX_DELIVERY_ROWS", "3")
    settle(store)
    return store


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """The address of a web server, its folder, and the requests that it has answered."""
    with website(tmp_path / "www") as (url, requests):
        yield url, tmp_path / "www", requests


def test_the_slices_of_one_file_are_asked_for_in_one_tick_each_by_a_run_of_its_own(
    store: Store, instance: dg.DagsterInstance
) -> None:
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


def test_slices_are_taken_once_and_number_their_rows_as_the_file_does(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store, "abcdefg")
    assert take(store, instance).num_runs == 3
    assert take(store, instance).num_runs == 0
    products = store.scan("products").sort("row").collect()
    assert "".join(products["item_id"]) == "abcdefg"
    assert products["row"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert held(store, "hansen.big.00003") == ("g", "")


def test_products_keep_their_places_when_the_feed_changes_and_the_missing_are_marked(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store, "abc")
    take(store, instance)
    drop(store, "cxa")
    take(store, instance)
    assert held(store, "hansen.big") == ("abcx", "b")
    drop(store, "bac")
    take(store, instance)
    assert held(store, "hansen.big") == ("abcx", "x")
    assert current(store) == "abc"


def test_a_feed_that_shrinks_leaves_no_slice_that_looks_alive(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "abcdefg")
    take(store, instance)
    drop(store, "abcde")
    assert take(store, instance).num_runs == 3
    assert held(store, "hansen.big.00002") == ("def", "f")
    assert held(store, "hansen.big.00003") == ("g", "g")
    assert current(store) == "abcde"
    assert take(store, instance).num_runs == 0


def test_a_feed_that_outgrows_its_delivery_moves_into_slices_and_back(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store, "abc")
    take(store, instance)
    drop(store, "abcd")
    assert take(store, instance).num_runs == 3
    assert held(store, "hansen.big") == ("abc", "abc")
    assert current(store) == "abcd"
    drop(store, "bc")
    take(store, instance)
    assert held(store, "hansen.big") == ("abc", "a")
    assert held(store, "hansen.big.00001") == ("abc", "abc")
    assert current(store) == "bc"


def test_a_row_that_is_put_before_all_others_shifts_them_and_loses_none(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store, "bcdefg")
    take(store, instance)
    drop(store, "abcdefg")
    take(store, instance)
    assert held(store, "hansen.big.00001") == ("bcda", "d")
    assert current(store) == "abcdefg"


def test_other_limits_cut_the_same_file_anew(
    store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(store, "abcdef")
    take(store, instance)
    received_at = {record.received_at for record in store.deliveries(["hansen.big.00001", "hansen.big.00002"])}
    monkeypatch.setenv("SHELFSIGHT_MAX_DELIVERY_ROWS", "100")
    take(store, instance)
    assert held(store, "hansen.big") == ("abcdef", "")
    assert held(store, "hansen.big.00002") == ("def", "def")
    assert {record.received_at for record in store.deliveries(["hansen.big"])} == received_at


def test_a_limit_that_is_no_number_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_MAX_DELIVERY_ROWS", "many")
    with pytest.raises(ValueError, match="SHELFSIGHT_MAX_DELIVERY_ROWS is 'many'"):
        definitions(store.root)


def test_a_look_that_takes_long_leaves_the_rest_to_the_next(store: Store, instance: dg.DagsterInstance) -> None:
    for name in ("one.tsv", "two.tsv"):
        drop(store, "abc", name)
    looked = arrivals(store, instance, {}, LookSettings(max_look_s=-1.0))
    assert (looked.deliveries, looked.seen) == ([], {})
    looked = arrivals(store, instance, looked.seen)
    assert len(looked.deliveries) == len(looked.seen) == 2
    assert arrivals(store, instance, looked.seen, LookSettings(max_look_s=-1.0)).seen == looked.seen


def test_a_removed_product_is_asked_for_no_more_and_keeps_its_picture_and_the_others_keep_theirs(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder, requests = served
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    noise = np.random.default_rng(5)
    for each in "abxy":
        Image.fromarray(noise.integers(0, 255, (64, 64, 3), np.uint8)).save(folder / f"{each}.jpg")

    def deliver(ids: str) -> list[str]:
        """What was asked of the shop after a feed with these products."""
        drop(store, ids, pictures=url)
        requests.clear()
        assert register_arrivals(store, instance) == []
        assert not bring_up_to_date(definitions(store.root), instance, [INGEST]).refused
        return sorted(requests)

    def downloaded() -> dict[str, str]:
        outcomes = store.scan("outcomes", ["hansen.big"]).collect()
        return dict(outcomes.select("product_id", "status").iter_rows())

    assert deliver("ab") == ["GET /a.jpg", "GET /b.jpg"]
    assert deliver("xa") == ["GET /x.jpg"]
    assert downloaded() == {"hansen:a": "ok", "hansen:b": "ok", "hansen:x": "ok"}
    assert held(store, "hansen.big") == ("abx", "b")
    images = store.scan("images", ["hansen.big"]).select("product_id").collect()["product_id"].to_list()
    assert images == ["hansen:a", "hansen:b", "hansen:x"]
    assert deliver("bxa") == []  # it returns, and its picture is there


def test_a_slice_without_products_left_fails_no_check(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _, _ = served
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    drop(store, "abcd")
    take(store, instance)  # and nothing of it is downloaded
    drop(store, "ab", pictures=url)
    assert register_arrivals(store, instance) == []
    progress = bring_up_to_date(definitions(store.root), instance, [INGEST])
    assert set(progress.refused) == {"hansen.big"}  # the web server has no picture of a and b
    assert held(store, "hansen.big.00001") == ("abc", "abc")
