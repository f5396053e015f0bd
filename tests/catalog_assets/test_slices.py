"""Big feeds, changing feeds and feeds behind URLs, through the sensor's tick and the asset that takes them."""

import functools
import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from PIL import Image

from catalog.succession import current_products
from catalog_assets.automation import ArrivalPolicy, feed_sensor
from catalog_assets.definitions import definitions
from catalog_assets.inbox import LookSettings, arrivals
from demo.flow import Progress, Stage, bring_up_to_date, register_arrivals
from resources.store import Store
from tests.catalog.feeds.reading import as_tsv

TAXONOMY = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n"
TAKE = Stage("take", ("products",), lambda instance: instance.get_dynamic_partitions("deliveries"))
INGEST = Stage("ingest", ("products", "outcomes"), TAKE.partitions)
NOW = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose deliveries have three rows at most."""
    monkeypatch.setenv("SHELFSIGHT_MAX_DELIVERY_ROWS", "3")
    reference = tmp_path / "store" / "reference"
    reference.mkdir(parents=True)
    (reference / "taxonomy.txt").write_text(TAXONOMY)
    (reference / "partners.toml").write_text("[partners.hansen]\n")
    return Store(root=str(tmp_path / "store"))


def tsv(ids: str, pictures: str = "http://127.0.0.1:9") -> bytes:
    return as_tsv([(each, f"title {each}", f"{pictures}/{each}.jpg", "", "1", "") for each in ids])


def drop(store: Store, ids: str, name: str = "big.tsv", pictures: str = "http://127.0.0.1:9") -> None:
    path = store.local / "inbox" / "hansen" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tsv(ids, pictures))


def take(store: Store, instance: dg.DagsterInstance) -> Progress:
    assert register_arrivals(store, instance) == []
    progress = bring_up_to_date(definitions(store.root), instance, [TAKE])
    assert not progress.refused
    return progress


def held(store: Store, key: str) -> tuple[str, str]:
    """The ids of a delivery's products in their order, and those of them that are removed."""
    products = store.scan("products", [key]).collect()
    removed = products.filter(pl.col("removed_at").is_not_null())
    return "".join(products["item_id"]), "".join(removed["item_id"])


def current(store: Store) -> str:
    """The ids of the products that are in a feed, in alphabetical order."""
    products = store.scan("products").collect()
    order = [record.key for record in store.deliveries(products["delivery"].unique().to_list())]
    rows = current_products(products, order).filter(pl.col("removed_at").is_null())
    return "".join(sorted(rows["item_id"]))


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


@pytest.fixture
def website(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """The address of a real web server, its folder, and the requests it has answered."""
    folder, requests = tmp_path / "www", list[str]()
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            requests.append(f"{self.command} {self.path}")

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder, requests
        server.shutdown()
        thread.join()


def settle(store: Store, *urls: str) -> None:
    (store.local / "reference" / "partners.toml").write_text(f"[partners.hansen]\nfeeds = {list(urls)}\n")


def test_a_feed_on_a_web_server_is_taken_slice_by_slice(
    store: Store, instance: dg.DagsterInstance, website: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = website
    (folder / "remote.tsv").write_bytes(tsv("abcde"))
    settle(store, f"{url}/remote.tsv?token=secret")
    assert take(store, instance).num_runs == 2
    assert held(store, "hansen.remote.00001") == ("abc", "")
    assert held(store, "hansen.remote.00002") == ("de", "")
    assert "secret" not in (store.local / "deliveries" / "hansen.remote.00001.json").read_text()
    assert take(store, instance).num_runs == 0


def test_a_web_server_is_asked_seldom_and_read_only_when_the_feed_has_changed(
    store: Store, instance: dg.DagsterInstance, website: tuple[str, Path, list[str]]
) -> None:
    url, folder, requests = website
    (folder / "remote.tsv").write_bytes(tsv("ab"))
    settle(store, f"{url}/remote.tsv")
    first = arrivals(store, instance, {}, LookSettings(now=NOW))
    assert [delivery.key for delivery in first.deliveries] == ["hansen.remote"]
    requests.clear()
    soon = arrivals(store, instance, first.seen, LookSettings(now=NOW + timedelta(minutes=1)))
    assert (soon.deliveries, soon.seen, requests) == ([], first.seen, [])
    later = arrivals(store, instance, soon.seen, LookSettings(now=NOW + timedelta(minutes=6)))
    assert later.deliveries == []
    assert set(requests) == {"HEAD /remote.tsv"}
    (folder / "remote.tsv").write_bytes(tsv("abc"))
    changed = arrivals(store, instance, later.seen, LookSettings(now=NOW + timedelta(minutes=12)))
    assert [delivery.key for delivery in changed.deliveries] == ["hansen.remote"]


def test_a_feed_that_cannot_be_reached_is_told_of_and_the_others_go_on(
    store: Store, instance: dg.DagsterInstance, website: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = website
    (folder / "remote.tsv").write_bytes(tsv("ab"))
    settle(store, f"{url}/gone.tsv", "nowhere://feed.tsv", f"{url}/remote.tsv")
    drop(store, "xyz")
    looked = arrivals(store, instance, {}, LookSettings(now=NOW))
    assert [delivery.key for delivery in looked.deliveries] == ["hansen.big", "hansen.remote"]
    assert len(looked.problems) == 2
    assert "nowhere" in looked.problems[0]
    assert "gone.tsv cannot be reached" in looked.problems[1]
    (folder / "gone.tsv").write_bytes(tsv("ab"))
    again = arrivals(store, instance, looked.seen, LookSettings(now=NOW + timedelta(minutes=6)))
    assert "hansen.gone" in [delivery.key for delivery in again.deliveries]


def test_a_url_and_a_file_of_one_name_are_told_apart(
    store: Store, instance: dg.DagsterInstance, website: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = website
    (folder / "big.tsv").write_bytes(tsv("ab"))
    settle(store, f"{url}/big.tsv")
    drop(store, "xyz")
    looked = arrivals(store, instance, {})
    assert [delivery.feed for delivery in looked.deliveries] == ["hansen/big.tsv"]
    assert "rename one" in looked.problems[0]


def test_a_url_that_is_taken_out_of_the_settings_is_named(
    store: Store, instance: dg.DagsterInstance, website: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = website
    (folder / "remote.tsv").write_bytes(tsv("ab"))
    settle(store, f"{url}/remote.tsv")
    register_arrivals(store, instance)
    settle(store)
    with pytest.raises(ValueError, match=r"'hansen\.remote' is not among the feeds .* add its URL to"):
        bring_up_to_date(definitions(store.root), instance, [TAKE])


def test_settings_that_cannot_be_read_do_not_keep_the_inbox_waiting(store: Store, instance: dg.DagsterInstance) -> None:
    (store.local / "reference" / "partners.toml").write_text("[partners.hansen]\nfeeds = ['feed.tsv']\n")
    drop(store, "abc")
    looked = arrivals(store, instance, {})
    assert [delivery.key for delivery in looked.deliveries] == ["hansen.big"]
    assert "write a URL such as" in looked.problems[0]


def test_a_removed_product_is_asked_for_no_more_and_keeps_its_picture_and_the_others_keep_theirs(
    store: Store, instance: dg.DagsterInstance, website: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder, requests = website
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
    store: Store, instance: dg.DagsterInstance, website: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _, _ = website
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    drop(store, "abcd")
    take(store, instance)  # and nothing of it is downloaded
    drop(store, "ab", pictures=url)
    assert register_arrivals(store, instance) == []
    progress = bring_up_to_date(definitions(store.root), instance, [INGEST])
    assert set(progress.refused) == {"hansen.big"}  # the web server has no picture of a and b
    assert held(store, "hansen.big.00001") == ("abc", "abc")
