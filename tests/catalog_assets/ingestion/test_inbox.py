"""The inbox: every feed file becomes a delivery once, whatever its name and wherever the scan was interrupted."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from catalog_assets.idioms.priorities import NEW_FEED
from catalog_assets.ingestion.feed_sensor import feed_sensor
from catalog_assets.ingestion.inbox import arrivals
from catalog_assets.partitions import deliveries
from resources.policies import ArrivalPolicy
from resources.store import Store
from tests.catalog_assets.delivering import TAXONOMY


def drop(store: Store, name: str, text: str = "id\ttitle\timage_link\n1\tHat\thttp://shop/1.jpg\n") -> Path:
    """Drops a feed into the inbox of a store that has a taxonomy."""
    path = store.local / "inbox" / name
    taxonomy = store.local / "reference" / "taxonomy.txt"
    for folder in (path.parent, taxonomy.parent):
        folder.mkdir(parents=True, exist_ok=True)
    taxonomy.write_text(TAXONOMY)
    path.write_text(text)
    return path


def tick(
    store: Store, instance: dg.DagsterInstance, cursor: str | None = None, **policy: Any
) -> tuple[list[dg.RunRequest], str]:
    """One evaluation of the sensor: its run requests, and the cursor it leaves."""
    resources = {"store": store, "arrival_policy": ArrivalPolicy(allowed_networks="127.0.0.1/32", **policy)}
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources)
    result = feed_sensor(context)
    if isinstance(result, dg.SkipReason):
        return [], context.cursor or ""
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    return list(result.run_requests or []), result.cursor or ""


def test_an_empty_inbox_requests_no_run(store: Store, instance: dg.DagsterInstance) -> None:
    assert tick(store, instance)[0] == []


def test_feeds_wait_for_the_taxonomy_and_are_found_once_it_is_there(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "hansen/spring.tsv")
    (store.local / "reference" / "taxonomy.txt").unlink()
    requests, cursor = tick(store, instance)
    assert (requests, cursor) == ([], "")
    drop(store, "hansen/spring.tsv")
    assert [request.partition_key for request in tick(store, instance, cursor)[0]] == ["hansen.spring"]


def test_a_new_feed_becomes_a_partition_and_one_run(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "hansen/spring.tsv")
    requests, cursor = tick(store, instance)
    assert [request.partition_key for request in requests] == ["hansen.spring"]
    assert NEW_FEED.items() <= requests[0].tags.items()
    assert instance.get_dynamic_partitions(str(deliveries.name)) == ["hansen.spring"]
    assert tick(store, instance, cursor)[0] == []


def test_a_new_feed_is_downloaded_at_once_or_only_parsed_before_a_probe(
    store: Store, instance: dg.DagsterInstance
) -> None:
    drop(store, "hansen/spring.tsv")
    assert [request.job_name for request in tick(store, instance)[0]] == ["ingest"]
    assert [request.job_name for request in tick(store, instance, job="parse")[0]] == ["parse"]


def test_a_tick_repeated_after_a_crash_requests_the_same_run(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "hansen/spring.tsv")
    first, _ = tick(store, instance)
    again, _ = tick(store, instance, cursor=None)  # the cursor was lost: the run key makes Dagster drop the second
    assert [request.run_key for request in again] == [request.run_key for request in first]


def test_a_rewritten_feed_is_parsed_again(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "hansen/spring.tsv")
    first, cursor = tick(store, instance)
    drop(store, "hansen/spring.tsv", "id\ttitle\timage_link\n2\tScarf\thttp://shop/2.jpg\n")
    second, _ = tick(store, instance, cursor)
    assert [request.partition_key for request in second] == ["hansen.spring"]
    assert second[0].run_key != first[0].run_key


def test_a_file_still_being_written_is_not_seen(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "hansen/.spring.tsv.part")
    assert tick(store, instance)[0] == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("hansen/spring.pdf", ".parquet"),  # the known formats are listed
        ("hansen/sp ring.tsv", "plain name"),
        ("..hidden/spring.tsv", "plain name"),
    ],
)
def test_a_refused_file_is_named_and_the_others_go_on(
    store: Store, instance: dg.DagsterInstance, name: str, problem: str
) -> None:
    bad = drop(store, name)
    drop(store, "hansen/good.tsv")
    found = arrivals(store, instance, seen={})
    assert [delivery.key for delivery in found.deliveries] == ["hansen.good"]
    assert len(found.problems) == 1
    assert bad.name in found.problems[0]
    assert problem in found.problems[0]


def test_two_files_of_one_name_are_refused(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "hansen/spring.csv", "id,title\n1,Hat\n")
    drop(store, "hansen/spring.tsv")
    found = arrivals(store, instance, seen={})
    assert [delivery.feed for delivery in found.deliveries] == ["hansen/spring.csv"]
    assert "rename one" in found.problems[0]


def test_the_time_of_arrival_outlasts_a_second_scan(store: Store, instance: dg.DagsterInstance) -> None:
    drop(store, "hansen/spring.tsv")
    first = arrivals(store, instance, seen={}).deliveries[0]
    second = arrivals(store, instance, seen={}).deliveries[0]
    assert second.received_at == first.received_at
    record = json.loads((store.local / "deliveries" / "hansen.spring.json").read_text())
    assert record["received_at"] == first.received_at


def test_confirmed_product_types_make_a_new_version_of_the_deliveries(
    store: Store, instance: dg.DagsterInstance
) -> None:
    reference = store.local / "reference"
    reference.mkdir(parents=True, exist_ok=True)
    (reference / "partners.toml").write_text("[partners.hansen]\nproduct_types = 'types.csv'\n")
    types = reference / "types.csv"
    types.write_text("product_type,category,confirmed,score,products\nHosen,1,,0.9,1\n")
    drop(store, "hansen/spring.tsv")
    first = arrivals(store, instance, seen={})
    [delivery] = first.deliveries
    assert arrivals(store, instance, first.seen).deliveries == []
    types.write_text("product_type,category,confirmed,score,products\nHosen,1,yes,0.9,1\n")
    second = arrivals(store, instance, first.seen)
    [changed] = second.deliveries
    assert changed.version != delivery.version
    assert (changed.key, changed.sha256, changed.received_at) == (delivery.key, delivery.sha256, delivery.received_at)
    assert arrivals(store, instance, second.seen).deliveries == []
