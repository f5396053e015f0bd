"""Feeds that partners keep on servers of their own are looked at seldom, and taken like those in the inbox."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.inbox import LookSettings, arrivals
from demo.flow import bring_up_to_date, register_arrivals
from resources.store import Store
from tests.catalog_assets.delivering import TAKE, drop, held, settle, take, tsv, website

NOW = datetime(2024, 5, 1, tzinfo=UTC)


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


def test_a_feed_on_a_web_server_is_taken_slice_by_slice(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = served
    (folder / "remote.tsv").write_bytes(tsv("abcde"))
    settle(store, f"{url}/remote.tsv?token=secret")
    assert take(store, instance).num_runs == 2
    assert held(store, "hansen.remote.00001") == ("abc", "")
    assert held(store, "hansen.remote.00002") == ("de", "")
    assert "secret" not in (store.local / "deliveries" / "hansen.remote.00001.json").read_text()
    assert take(store, instance).num_runs == 0


def test_a_web_server_is_asked_seldom_and_read_only_when_the_feed_has_changed(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, requests = served
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
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = served
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
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = served
    (folder / "big.tsv").write_bytes(tsv("ab"))
    settle(store, f"{url}/big.tsv")
    drop(store, "xyz")
    looked = arrivals(store, instance, {})
    assert [delivery.feed for delivery in looked.deliveries] == ["hansen/big.tsv"]
    assert "rename one" in looked.problems[0]


def test_a_url_that_is_taken_out_of_the_settings_is_named(
    store: Store, instance: dg.DagsterInstance, served: tuple[str, Path, list[str]]
) -> None:
    url, folder, _ = served
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
