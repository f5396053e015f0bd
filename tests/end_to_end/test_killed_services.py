"""Daemons, web servers and run workers killed, doubled and cancelled: nothing is lost, and nothing counted twice."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from resources.store import Store
from tests.catalog.feeds.reading import as_tsv
from tests.conftest import TinyCatalog
from tests.end_to_end.separate_services import SeparateServices, code_server, watchful
from tests.end_to_end.services import copy_of, free_port
from tests.patience import until

pytestmark = pytest.mark.end_to_end
PARTNER = "northloom"
LABELED, PARTITION = "golden.test-set", "dagster/partition"


@pytest.fixture(scope="module")
def services(tiny_catalog: TinyCatalog, module_folder: Path) -> Iterator[SeparateServices]:
    root = copy_of(tiny_catalog, module_folder)
    watchful(root)
    with code_server(root) as services:
        yield services


@pytest.fixture(scope="module")
def instance(services: SeparateServices) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(services.root / "dagster")) as instance:
        yield instance


@pytest.fixture(scope="module")
def store(services: SeparateServices) -> Store:
    return Store(root=str(services.root))


def drop(store: Store, *names: str) -> list[str]:
    """Feeds of three products each; the keys of their deliveries."""
    for name in names:
        rows = [(f"{name}-{each}", "Hat", f"http://127.0.0.1:9/{each}.jpg", "", "", "") for each in range(3)]
        (store.local / "inbox" / PARTNER / f"{name}.tsv").write_bytes(as_tsv(rows))
    return [f"{PARTNER}.{name}" for name in names]


def taken(instance: dg.DagsterInstance, keys: list[str]) -> Counter[str]:
    """Returns the number of runs of each delivery, after all were parsed and no run is queued."""

    def at_rest() -> bool:
        made = instance.get_materialized_partitions(dg.AssetKey("products"))
        waiting = instance.get_runs(dg.RunsFilter(job_name="parse"))
        return made >= set(keys) and all(run.is_finished for run in waiting)

    until(at_rest, f"the products of {keys}")
    runs = instance.get_runs(dg.RunsFilter(job_name="parse"))
    assert [failure_of(instance, run) for run in runs if not run.is_success] == []
    return Counter(key for run in runs if (key := run.tags[PARTITION]) in keys)


def failure_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Returns the partition and the messages of a run's failures."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    messages = [event.message for event in instance.all_logs(run.run_id, of_type=kinds)]
    return f"{run.tags[PARTITION]} {run.status}: {messages}"


def num_products(store: Store, keys: list[str]) -> dict[str, int]:
    counted = store.scan("products", keys).group_by("delivery").len().collect()
    return dict(counted.iter_rows())


def test_a_tick_whose_daemon_is_killed_half_way_loses_no_delivery_and_takes_none_twice(
    services: SeparateServices, instance: dg.DagsterInstance, store: Store
) -> None:
    keys = drop(store, "one", "two")
    # The first dies with the deliveries registered and nothing requested, the second with one of two runs requested.
    assert services.doomed_daemon("add_dynamic_partitions", 1) == -signal.SIGKILL
    assert set(keys) <= set(instance.get_dynamic_partitions("deliveries"))
    assert services.doomed_daemon("submit_run", 1) == -signal.SIGKILL
    assert len(instance.get_runs(dg.RunsFilter(job_name="parse"))) == 1
    with services.daemon():
        assert taken(instance, keys) == Counter(keys)
    assert num_products(store, keys) == dict.fromkeys(keys, 3)


def labels(store: Store) -> pl.DataFrame:
    return store.scan("universal_catalog", [LABELED]).collect().drop("delivery")


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def halted(store: Store) -> int:
    """The process of a prediction run that is halted half-way."""
    pid_file = store.local / "halted"
    until(lambda: pid_file.exists() and pid_file.read_text(), "a prediction run that is halted")
    pid = int(pid_file.read_text())
    pid_file.unlink()
    return pid


def test_a_killed_and_a_cancelled_labeling_leave_the_former_rows_and_their_place_to_the_next(
    services: SeparateServices, instance: dg.DagsterInstance, store: Store
) -> None:
    undisturbed = labels(store)
    former = undisturbed.with_columns(version=pl.lit("former"))
    store.write(former, "universal_catalog", LABELED)
    (store.local / "halt").touch()
    port = free_port()
    with services.daemon():
        with services.web_server(port) as (web_server, web):
            killed = web.launch("categorize", LABELED)
            worker = halted(store)
            cancelled = web.launch("categorize", LABELED)
            web_server.kill()  # the runs go on
            assert web_server.wait() == -signal.SIGKILL
            assert status_of(instance, killed) == dg.DagsterRunStatus.STARTED
        os.kill(worker, signal.SIGKILL)
        halted(store)  # the place on the device is the next one's
        assert status_of(instance, killed) == dg.DagsterRunStatus.FAILURE
        assert labels(store).equals(former)
        with services.web_server(port) as (_, web):
            causes = ("was terminated by signal 9 (SIGKILL)", "of the run is gone")  # as who noticed it first says it
            assert any(cause in web.messages(killed) for cause in causes)
            (store.local / "halt").unlink()
            last = web.launch("categorize", LABELED)
            web.cancel(cancelled)
            until(lambda: status_of(instance, last) == dg.DagsterRunStatus.SUCCESS, "the third categorization")
        assert status_of(instance, cancelled) == dg.DagsterRunStatus.CANCELED
    assert labels(store).equals(undisturbed)


def test_two_daemons_by_mistake_lose_no_delivery_and_count_none_twice(
    services: SeparateServices, instance: dg.DagsterInstance, store: Store
) -> None:
    """Dagster takes no lock on a run key, so both may start a run of a delivery: then the second changes nothing."""
    before = store.scan("products").select(pl.len()).collect().item()
    with services.daemon(), services.daemon():
        keys = drop(store, "alpha", "beta")
        assert set(taken(instance, keys)) == set(keys)
    assert num_products(store, keys) == dict.fromkeys(keys, 3)
    assert store.scan("products").select(pl.len()).collect().item() == before + 6
    partitions = instance.get_dynamic_partitions("deliveries")
    assert len(partitions) == len(set(partitions))
    versions = {
        key: {(each.asset_materialization.tags or {})["dagster/data_version"] for each in records(instance, key)}
        for key in keys
    }
    assert {key: len(made) for key, made in versions.items()} == dict.fromkeys(keys, 1)


def records(instance: dg.DagsterInstance, key: str) -> list[dg.EventLogRecord]:
    """Returns all materializations of a delivery's products."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey("products"), asset_partitions=[key])
    return list(instance.fetch_materializations(wanted, limit=10).records)
