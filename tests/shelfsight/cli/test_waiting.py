"""`shelfsight status` names for each waiting feed and delivery the stage, the reason and what to do."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.flow import register_arrivals, run_jobs
from resources.instance import made_home
from resources.settings import Settings, variable_of
from resources.store import Store
from shelfsight.cli.automation_state import FEEDS, START, Automation, SensorState
from shelfsight.cli.command import main
from shelfsight.cli.waiting_feeds import waiting_feeds
from tests.catalog_assets.delivering import INGEST, PARSE, drop, write_settings


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store with a taxonomy and a partner; nothing else is set in the environment."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.setenv("SHELFSIGHT_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
    monkeypatch.chdir(tmp_path)
    store = Store(root=str(tmp_path / "store"))
    write_settings(store)
    return store


@pytest.fixture
def instance(store: Store) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(made_home(Settings.read(), store))) as instance:
        yield instance


def run(store: Store, instance: dg.DagsterInstance, *jobs: str) -> None:
    register_arrivals(store, instance)
    run_jobs(definitions(Settings.read(store=store.root)), instance, jobs)


@pytest.fixture
def waiting(capsys: pytest.CaptureFixture[str]) -> Any:
    """Returns the stage, reason and action of each name that `shelfsight status --json` lists as waiting."""

    def read() -> dict[str, tuple[str, str, str]]:
        capsys.readouterr()
        assert main(["status", "--json"]) == 0
        listed = json.loads(capsys.readouterr().out)["waiting"]
        return {each["delivery"]: (each["stage"], each["reason"], each["action"]) for each in listed}

    return read


def test_a_new_feed_waits_for_its_registration_where_nothing_runs(store: Store, waiting: Any) -> None:
    drop(store, "ab")
    assert waiting() == {
        "hansen/big.tsv": ("register", "it is not registered yet: no daemon is running", START),
    }


def test_files_that_can_never_be_a_delivery_are_named(store: Store, waiting: Any) -> None:
    drop(store, "ab", name="spring.doc")
    drop(store, "ab", name="spring summer.tsv")
    (store.local / "inbox" / "lost.tsv").touch()
    found = waiting()
    assert "unknown feed suffix '.doc'" in found["hansen/spring.doc"][1]
    assert "is not a plain name" in found["hansen/spring summer.tsv"][1]
    assert found["lost.tsv"][1] == "it is in no partner's folder"
    assert "feed add" in found["lost.tsv"][2]


def test_a_delivery_waits_for_its_parsing_then_for_its_download_then_for_a_champion(
    store: Store, instance: dg.DagsterInstance, waiting: Any
) -> None:
    drop(store, "ab")
    register_arrivals(store, instance)
    assert waiting() == {"hansen.big": ("parse", "no daemon is running", START)}
    run(store, instance, "prepare", PARSE)
    assert waiting() == {"hansen.big": ("download", "no daemon is running", START)}


def test_a_parsing_that_failed_has_its_cause(store: Store, instance: dg.DagsterInstance, waiting: Any) -> None:
    (store.local / "reference" / "partners.toml").unlink()
    drop(store, "ab")
    run(store, instance, "prepare", PARSE)
    stage, reason, action = waiting()["hansen.big"]
    assert stage == "parse"
    assert "its parse failed: " in reason
    assert "partners.toml" in reason
    assert "run the job 'ingest' for it" in action


def test_a_download_that_failed_has_the_check_and_the_statuses(
    store: Store, instance: dg.DagsterInstance, waiting: Any
) -> None:
    drop(store, "ab", images="http://127.0.0.1:9")  # nothing listens there
    run(store, instance, "prepare", INGEST)
    stage, reason, action = waiting()["hansen.big"]
    assert stage == "download"
    assert "check download_health failed: 0.0% of the links" in reason
    assert "(2 connect_error)" in reason
    assert action.startswith("2 links may succeed later; then run the job 'ingest'")


def test_a_download_that_a_person_starts_names_the_probe(
    store: Store, instance: dg.DagsterInstance, waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELFSIGHT_ON_ARRIVAL", "parse")
    drop(store, "ab")
    run(store, instance, "prepare", PARSE)
    stage, reason, action = waiting()["hansen.big"]
    assert (stage, reason) == ("download", "a person starts downloads, since on_arrival is 'parse'")
    assert "'probe'" in action


def test_a_queued_and_a_canceled_run_are_told_apart(store: Store, instance: dg.DagsterInstance, waiting: Any) -> None:
    drop(store, "ab")
    register_arrivals(store, instance)
    job = definitions(Settings.read(store=store.root)).resolve_job_def(PARSE)
    made = instance.create_run_for_job(job, tags={"dagster/partition": "hansen.big"})
    assert waiting()["hansen.big"][1] == f"its run {made.run_id[:8]} is queued, and no daemon is running"
    instance.report_run_canceled(made)
    assert waiting()["hansen.big"][1] == f"its run {made.run_id[:8]} was canceled"


def test_a_rewritten_feed_waits_for_its_new_version(store: Store, instance: dg.DagsterInstance, waiting: Any) -> None:
    drop(store, "ab")
    register_arrivals(store, instance)
    drop(store, "abc")
    assert "a newer version of it is not registered yet" in waiting()["hansen/big.tsv"][1]


@pytest.mark.parametrize(
    ("sensor", "reason"),
    [
        (SensorState(name=FEEDS, status="stopped"), "it is not registered yet: feed_sensor is off"),
        (SensorState(name=FEEDS, status="running", error="no disk"), "the last tick of feed_sensor failed: no disk"),
        (
            SensorState(name=FEEDS, status="running", skip_reason="feed hansen/big.tsv is being written; it is later"),
            "feed hansen/big.tsv is being written; it is later",
        ),
        (SensorState(name=FEEDS, status="running"), "it is not registered yet; feed_sensor does so"),
    ],
)
def test_the_sensor_s_state_explains_a_feed(store: Store, sensor: SensorState, reason: str) -> None:
    drop(store, "ab")
    [found] = waiting_feeds(store, Automation(is_daemon_running=True, sensors={FEEDS: sensor}))
    assert reason in found.reason


def test_a_partner_s_address_that_was_never_fetched_waits(store: Store, waiting: Any) -> None:
    write_settings(store, "https://user:secret@a.example/spring.tsv?token=1")
    found = waiting()
    assert list(found) == ["https://a.example/spring.tsv"]
    assert found["https://a.example/spring.tsv"][1] == "it is not fetched yet: no daemon is running"


def test_people_read_a_sentence_for_each(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    drop(store, "ab")
    shutil.rmtree(store.local / "dagster", ignore_errors=True)
    assert main(["status"]) == 0
    sentence = "hansen/big.tsv waits for register: it is not registered yet: no daemon is running; start the daemon"
    assert sentence in capsys.readouterr().out
