"""Run keys: every arrival of a feed starts a run, and a tick that is repeated starts none a second time."""

import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.flow import run_jobs
from resources.settings import Settings
from resources.store import Store
from tests.catalog.download.raw_server import RawServer, response
from tests.catalog_assets.delivering import PARSE, drop, tsv, write_settings
from tests.catalog_assets.ingestion.test_inbox import tick


@pytest.fixture
def store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    write_settings(store)
    return store


@pytest.fixture
def requested(store: Store, instance: dg.DagsterInstance) -> Callable[[], list[str]]:
    """Evaluates the sensor once more, and returns the run keys that it requests."""
    cursors = [""]

    def evaluate() -> list[str]:
        requests, cursors[0] = tick(store, instance, cursors[0])
        return [str(each.run_key) for each in requests]

    return evaluate


def parse(store: Store, instance: dg.DagsterInstance) -> None:
    assert not run_jobs(definitions(Settings.read(store=store.root)), instance, ["prepare", PARSE]).refused


@pytest.mark.parametrize("contents", [list("aba"), list("ababa"), ["ab", "abc", "ab"], list("abca")])
def test_content_that_was_there_before_starts_a_run_of_its_own(
    store: Store, requested: Callable[[], list[str]], contents: list[str]
) -> None:
    keys = list[str]()
    for content in contents:
        drop(store, content)
        keys += requested()
        assert requested() == []
    assert len(set(keys)) == len(keys) == len(contents)


def test_content_that_comes_back_in_parts_starts_runs_of_its_own(store: Store, instance: dg.DagsterInstance) -> None:
    keys, cursor = list[str](), ""
    for content in ("abcde", "ab", "abcde"):
        drop(store, content)
        requests, cursor = tick(store, instance, cursor, max_delivery_rows=2)
        keys += [str(each.run_key) for each in requests]
    assert len(keys) == 3 + 4 + 4  # with those that the feed had before, which have no rows any more
    assert len(set(keys)) == len(keys)


def test_content_of_a_web_server_that_was_there_before_starts_a_run_of_its_own(
    store: Store, instance: dg.DagsterInstance
) -> None:
    served = [b""]
    keys, cursor = list[str](), ""
    with RawServer(lambda _: [response("200 OK", served[0], f'ETag: "{served[0].hex()[-40:]}"')]) as server:
        write_settings(store, f"{server.url}/feed.tsv")
        for content in ("ab", "xy", "ab"):  # the version is the content's, so it comes back, too
            served[0] = tsv(content)
            requests, cursor = tick(store, instance, cursor.replace("2", "1", 1))  # the last look was long ago
            keys += [str(each.run_key) for each in requests]
    assert len(set(keys)) == len(keys) == 3


def test_settings_that_were_there_before_start_a_run_of_their_own(
    store: Store, requested: Callable[[], list[str]]
) -> None:
    reference = store.local / "reference"
    (reference / "partners.toml").write_text("[partners.hansen]\ncolumns = 'columns.csv'\n")
    drop(store, "ab")
    keys = list[str]()
    for column in ("brand", "color", "brand"):
        (reference / "columns.csv").write_text(f"column,attribute\nproduct_type,{column}\n")
        keys += requested()
    assert len(set(keys)) == len(keys) == 3


def test_a_feed_whose_run_failed_starts_one_as_it_is_delivered_again(
    store: Store, instance: dg.DagsterInstance, requested: Callable[[], list[str]]
) -> None:
    drop(store, "ab")
    [first] = requested()
    drop(store, "ab")  # nothing was parsed
    [second] = requested()
    assert second != first


@pytest.mark.parametrize("rewritten", ["its bytes", "its time"])
def test_a_feed_whose_download_failed_after_it_was_parsed_starts_a_run_as_it_is_delivered_again(
    store: Store, instance: dg.DagsterInstance, requested: Callable[[], list[str]], rewritten: str
) -> None:
    drop(store, "ab")
    [first] = requested()
    parse(store, instance)
    failed = instance.create_run_for_job(
        definitions(Settings.read(store=store.root)).resolve_job_def("ingest"),
        tags={"dagster/partition": "hansen.big"},
        status=dg.DagsterRunStatus.FAILURE,
    )
    assert instance.get_run_by_id(failed.run_id) is not None
    feed = store.local / "inbox" / "hansen" / "big.tsv"
    drop(store, "ab") if rewritten == "its bytes" else os.utime(feed, (1, 1))
    [second] = requested()
    assert second != first


def test_a_feed_that_is_parsed_starts_no_run_as_the_same_bytes_are_delivered_again(
    store: Store, instance: dg.DagsterInstance, requested: Callable[[], list[str]]
) -> None:
    drop(store, "ab")
    assert len(requested()) == 1
    parse(store, instance)
    drop(store, "ab")
    assert requested() == []


def test_a_tick_that_is_repeated_requests_the_same_runs(store: Store, instance: dg.DagsterInstance) -> None:
    for content in ("ab", "xy", "ab"):
        drop(store, content)
        requests, _ = tick(store, instance)
        again, _ = tick(store, instance)  # a crash lost the cursor
        assert [each.run_key for each in again] == [each.run_key for each in requests]


def test_a_record_of_a_version_without_arrivals_is_read(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "ab")
    requests, _ = tick(store, instance)
    record: Path = store.local / "deliveries" / "hansen.big.json"
    record.write_text(record.read_text().replace('"arrived_at"', '"former_key"'))
    record.write_text("\n".join(line for line in record.read_text().splitlines() if "former_key" not in line))
    again, _ = tick(store, instance)
    assert [each.partition_key for each in again] == [each.partition_key for each in requests]
