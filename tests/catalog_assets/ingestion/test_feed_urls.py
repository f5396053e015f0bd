"""Feeds on partners' servers are polled rarely, and registered like those in the inbox."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from catalog.feeds.feed_access import FeedAccess
from catalog_assets.definitions import definitions
from catalog_assets.flow import register_arrivals, run_jobs
from catalog_assets.ingestion.inbox import arrivals
from catalog_assets.ingestion.scan_settings import ScanSettings
from resources.settings import Settings
from resources.store import Store
from tests.catalog_assets.delivering import PARSE, drop, parse, product_ids, tsv, website, write_settings

NOW = datetime(2024, 5, 1, tzinfo=UTC)
LOOPBACK = FeedAccess(allowed_networks=("127.0.0.1/32",))


def at(time: datetime) -> ScanSettings:
    return ScanSettings(clock=lambda: time, access=LOOPBACK)


@pytest.fixture
def store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose deliveries have three rows at most."""
    monkeypatch.setenv("SHELFSIGHT_MAX_DELIVERY_ROWS", "3")
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    write_settings(store)
    return store


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """The address of a web server, its folder, and the requests that it received."""
    with website(tmp_path / "www") as (url, requests):
        yield url, tmp_path / "www", requests


def test_a_feed_on_a_web_server_is_parsed_part_by_part(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = served
    (folder / "remote.tsv").write_bytes(tsv("abcde"))
    write_settings(store, f"{url}/remote.tsv?token=secret")
    assert parse(store, instance).num_runs == 2
    assert product_ids(store, "hansen.remote.00001") == ("abc", "")
    assert product_ids(store, "hansen.remote.00002") == ("de", "")
    assert "secret" not in (store.local / "deliveries" / "hansen.remote.00001.json").read_text()
    assert parse(store, instance).num_runs == 0


def test_a_web_server_gets_few_requests_and_is_read_only_when_the_feed_changed(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, requests = served
    (folder / "remote.tsv").write_bytes(tsv("ab"))
    write_settings(store, f"{url}/remote.tsv")
    first = arrivals(store, instance, {}, at(NOW))
    assert [delivery.key for delivery in first.deliveries] == ["hansen.remote"]
    requests.clear()
    soon = arrivals(store, instance, first.seen, at(NOW + timedelta(minutes=1)))
    assert (soon.deliveries, soon.seen, requests) == ([], first.seen, [])
    later = arrivals(store, instance, soon.seen, at(NOW + timedelta(minutes=6)))
    assert later.deliveries == []
    assert set(requests) == {"HEAD /remote.tsv"}
    (folder / "remote.tsv").write_bytes(tsv("abc"))
    changed = arrivals(store, instance, later.seen, at(NOW + timedelta(minutes=12)))
    assert [delivery.key for delivery in changed.deliveries] == ["hansen.remote"]


def test_a_feed_that_cannot_be_reached_is_a_problem_and_the_others_go_on(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = served
    (folder / "remote.tsv").write_bytes(tsv("ab"))
    write_settings(store, f"{url}/gone.tsv", "nowhere://feed.tsv", f"{url}/remote.tsv")
    drop(store, "xyz")
    found = arrivals(store, instance, {}, at(NOW))
    assert [delivery.key for delivery in found.deliveries] == ["hansen.big", "hansen.remote"]
    assert len(found.problems) == 2
    assert "nowhere" in found.problems[0]
    assert "gone.tsv cannot be reached" in found.problems[1]
    (folder / "gone.tsv").write_bytes(tsv("ab"))
    again = arrivals(store, instance, found.seen, at(NOW + timedelta(minutes=6)))
    assert "hansen.gone" in [delivery.key for delivery in again.deliveries]


def test_a_url_with_the_name_of_a_file_is_refused(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = served
    (folder / "big.tsv").write_bytes(tsv("ab"))
    write_settings(store, f"{url}/big.tsv")
    drop(store, "xyz")
    found = arrivals(store, instance, {}, at(NOW))
    assert [delivery.feed for delivery in found.deliveries] == ["hansen/big.tsv"]
    assert "rename one" in found.problems[0]


def test_a_url_that_is_no_longer_in_the_settings_is_named(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = served
    (folder / "remote.tsv").write_bytes(tsv("ab"))
    write_settings(store, f"{url}/remote.tsv")
    register_arrivals(store, instance)
    write_settings(store)
    refused = run_jobs(definitions(Settings.read(store=store.root)), instance, [PARSE]).refused
    assert re.search(r"'hansen\.remote' is not among the feeds .* add its URL to", refused["hansen.remote"])


def test_unreadable_settings_do_not_block_the_inbox(store: Store, instance: dg.DagsterInstance) -> None:
    (store.local / "reference" / "partners.toml").write_text("[partners.hansen]\nfeeds = ['feed.tsv']\n")
    drop(store, "abc")
    found = arrivals(store, instance, {})
    assert [delivery.key for delivery in found.deliveries] == ["hansen.big"]
    assert "write a URL such as" in found.problems[0]
