"""A clock that goes back: what arrives after that is noticed, counts as the newest, and decisions keep their order."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from catalog.feeds.feed_access import FeedAccess
from catalog_assets.ingestion.inbox import Arrivals, arrivals
from catalog_assets.ingestion.scan_settings import ScanSettings
from resources.store import Store
from tests.catalog_assets.delivering import drop, tsv, website, write_settings

LOOPBACK = FeedAccess(allowed_networks=("127.0.0.1/32",))
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
YESTERDAY = NOON - timedelta(days=1)


def look(store: Store, instance: dg.DagsterInstance, seen: dict[str, str], now: datetime) -> Arrivals:
    return arrivals(store, instance, seen, ScanSettings(clock=lambda: now, access=LOOPBACK))


def keys(looked: Arrivals) -> list[str]:
    assert looked.problems == []
    return [delivery.key for delivery in looked.deliveries]


def test_a_feed_rewritten_with_an_older_time_is_noticed_and_one_from_the_future_is_taken_once(
    store: Store, instance: dg.DagsterInstance
) -> None:
    feed = store.local / "inbox" / "hansen" / "big.tsv"
    drop(store, "ab")
    os.utime(feed, (NOON.timestamp() + 1e9,) * 2)
    first = look(store, instance, {}, NOON)
    assert keys(first) == ["hansen.big"]
    drop(store, "cd")
    os.utime(feed, (YESTERDAY.timestamp(),) * 2)
    second = look(store, instance, first.seen, YESTERDAY)
    assert keys(second) == ["hansen.big"]
    assert second.deliveries[0].version != first.deliveries[0].version
    assert keys(look(store, instance, second.seen, YESTERDAY)) == []


def test_the_feed_that_came_last_is_the_newest_though_the_clock_went_back(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store, "ab", "first.tsv")
    first = look(store, instance, {}, NOON)
    drop(store, "bc", "second.tsv")
    second = look(store, instance, first.seen, YESTERDAY)
    drop(store, "cd", "third.tsv")
    look(store, instance, second.seen, YESTERDAY)
    order = store.deliveries(["hansen.third", "hansen.first", "hansen.second"])
    assert [delivery.key for delivery in order] == ["hansen.first", "hansen.second", "hansen.third"]


def test_a_feed_behind_a_url_is_looked_at_though_the_last_look_lies_in_the_future(
    store: Store, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with website(tmp_path / "www") as (url, _):
        (tmp_path / "www" / "remote.tsv").write_bytes(tsv("ab"))
        write_settings(store, f"{url}/remote.tsv")
        first = look(store, instance, {}, NOON)
        (tmp_path / "www" / "remote.tsv").write_bytes(tsv("abc"))
        second = look(store, instance, first.seen, YESTERDAY)
    assert keys(first) == keys(second) == ["hansen.remote"]
