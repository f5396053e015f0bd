"""The gate in the running flow: a version that is stopped replaces nothing, and a person accepts or rolls back."""

import json
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from PIL import Image

from catalog_assets.automation.alerting import failure_sensor
from catalog_assets.definitions import definitions
from catalog_assets.flow import Progress, register_arrivals, run_jobs
from resources.alerts import Alerts
from resources.settings import Settings
from resources.store import Store
from shelfsight.cli.command import main
from tests.catalog_assets.delivering import INGEST, PARSE, current, drop, product_ids, website, write_settings
from tests.catalog_assets.ingestion.test_inbox import tick

ALL = "abcdefghijkl"


@pytest.fixture
def store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SHELFSIGHT_STORE", store.root)
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    write_settings(store)
    return store


def deliver(store: Store, instance: dg.DagsterInstance, ids: str | None, job: str = PARSE, **places: str) -> Progress:
    """Drops a feed, unless `ids` is None, and runs what is stale."""
    if ids is not None:
        drop(store, ids, **places)
    register_arrivals(store, instance)
    return run_jobs(definitions(Settings.read(store=store.root)), instance, [job])


def draw(seed: int, path: Path) -> None:
    """Writes an image of its own."""
    Image.effect_noise((40, 40), seed).save(path)


def command(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_version_that_is_stopped_waits_for_a_person(
    store: Store, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(store, instance, ALL)
    before = {path: path.read_bytes() for path in store.local.glob("*/delivery=*/*.parquet")}
    drop(store, "ab")
    requests, cursor = tick(store, instance)
    assert len(requests) == 1
    [message] = deliver(store, instance, None).refused.values()
    assert "10 of 12 products (83%) would be removed" in message
    assert {path: path.read_bytes() for path in store.local.glob("*/delivery=*/*.parquet")} == before
    [check] = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("feed_comparison"), "feed_may_be_replaced"), limit=1
    )
    assert check.event is not None and "would be removed" in str(check.event.dagster_event)

    drop(store, "ab")  # the same bytes once more: nobody is bothered again
    assert tick(store, instance, cursor)[0] == []
    [waiting] = command(capsys, "status")["waiting"][:1]
    assert (waiting["delivery"], waiting["stage"]) == ("hansen.big", "accept")
    assert "shelfsight feed accept hansen.big" in waiting["action"]

    accepted = command(capsys, "feed", "accept", "hansen.big")
    again, _ = tick(store, instance, cursor)
    assert [each.partition_key for each in again] == ["hansen.big"]
    assert again[0].run_key != requests[0].run_key
    assert not deliver(store, instance, None).refused
    assert product_ids(store, "hansen.big") == (ALL, ALL[2:])
    assert tick(store, instance, cursor)[0] == []  # it is done
    [served, former] = command(capsys, "feed", "versions", "hansen.big")
    assert (served["version"], served["verdict"], served["served"]) == (accepted["accepted"], "accepted", True)
    assert former["can be restored"]
    assert main(["feed", "accept", "hansen.big"]) == 1  # nothing is stopped any more

    assert deliver(store, instance, "xy").refused  # another version is compared anew


def test_a_version_is_restored_and_the_one_before_does_not_come_back(
    store: Store, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    for ids in (ALL, ALL[:10], ALL[:9]):
        assert not deliver(store, instance, ids).refused
    listed = command(capsys, "feed", "versions", "hansen.big")
    assert [each["can be restored"] for each in listed] == [False, True, True]
    restored = command(capsys, "feed", "rollback", "hansen.big")
    assert restored["restored"] == listed[1]["version"]
    assert not deliver(store, instance, None).refused
    assert product_ids(store, "hansen.big") == (ALL, ALL[10:])
    problems = register_arrivals(store, instance)  # the file that was rolled back still lies in the inbox
    assert len(problems) == 1 and "was rolled back by" in problems[0]
    assert product_ids(store, "hansen.big") == (ALL, ALL[10:])
    command(capsys, "feed", "rollback", "hansen.big", "--to", listed[2]["version"])
    assert not deliver(store, instance, None).refused
    assert current(store) == ALL
    assert not deliver(store, instance, ALL[:11]).refused  # a version that nobody knows goes its usual way
    assert current(store) == ALL[:11]


def test_a_repaired_feed_is_compared_with_the_last_good_version_and_fetches_no_image_again(
    store: Store, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    folder = tmp_path / "www"
    with website(folder) as (url, requests):
        for each in ALL:
            draw(ord(each), folder / f"{each}.jpg")
        assert not deliver(store, instance, ALL, INGEST, images=url).refused
        assert len(requests) == len(ALL)
        feed = store.local / "inbox" / "hansen" / "big.tsv"
        good = feed.read_bytes()
        feed.write_bytes(good.replace(b"\t", b"\t\t", 1))
        assert deliver(store, instance, None, INGEST).refused
        assert current(store) == ALL
        feed.write_bytes(good + good.splitlines(keepends=True)[-1].replace(b"l", b"m"))
        draw(60, folder / "m.jpg")
        assert not deliver(store, instance, None, INGEST).refused
        assert current(store) == ALL + "m"
        assert len(requests) == len(ALL) + 1


def test_a_feed_in_parts_alerts_once(
    store: Store, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELFSIGHT_MAX_DELIVERY_ROWS", "6")
    deliver(store, instance, ALL)
    refused = deliver(store, instance, "abcdefgz").refused
    assert list(refused) == ["hansen.big.00001", "hansen.big.00002"]
    assert len(set(refused.values())) == 1
    assert current(store) == ALL
    alerts = Alerts(webhook="http://127.0.0.1:9/hook", folder=str(tmp_path / "alerts"))
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])):
        [entry] = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        assert entry.dagster_event is not None
        context = dg.build_run_status_sensor_context(
            sensor_name="failure_sensor",
            dagster_instance=instance,
            dagster_run=run,
            dagster_event=entry.dagster_event,
        ).for_run_failure()
        failure_sensor(context, alerts=alerts, store=store)
    [alert] = alerts.pending.waiting()
    assert re.search(r"parse\[hansen.big.0000\d\] failed: Version \w+ of feed hansen/big.tsv is stopped", alert.text)
    assert "shelfsight feed accept hansen.big" in alert.text
