"""Alerting: a failed run is posted to a real webhook, with its cause."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from catalog_assets.automation.alerting import alert_sensor, failure_sensor
from resources.alerts import Alerts
from resources.store import Store

letters = dg.StaticPartitionsDefinition(["a", "b"])


@dg.asset(partitions_def=letters)
def broken() -> None:
    """Fails, and says why."""
    raise ValueError("the shelf\nis empty")


@pytest.fixture
def webhook_server() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A webhook's URL, and the messages posted to it."""
    posted: list[dict[str, str]] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response({"/accept": 204, "/redirect": 307}.get(self.path, 500), "a secret of the server")
            self.send_header("Location", "/accept")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = HTTPServer(("127.0.0.1", 0), Webhook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()
    thread.join()
    server.server_close()


def evaluate(
    instance: dg.DagsterInstance, webhook: str, folder: Path, allowed_networks: str = "127.0.0.1/32"
) -> tuple[Any, Any]:
    """Fails a run, and returns what the sensor that keeps its alert and the one that posts it return."""
    job = dg.Definitions(assets=[broken], jobs=[dg.define_asset_job("break_it", selection=[broken])]).resolve_job_def(
        "break_it"
    )
    result = job.execute_in_process(instance=instance, partition_key="b", raise_on_error=False)
    assert not result.success
    context = dg.build_run_status_sensor_context(
        sensor_name="failure_sensor",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    ).for_run_failure()
    alerts = Alerts(webhook=webhook, folder=str(folder), allowed_networks=allowed_networks)
    kept = failure_sensor(context, alerts=alerts, store=Store(root=str(folder.parent / "store")))
    return kept, alert_sensor(dg.build_sensor_context(instance=instance), alerts=alerts)


def test_a_failed_run_is_posted_with_its_partition_and_cause(
    instance: dg.DagsterInstance, webhook_server: tuple[str, list[dict[str, str]]], tmp_path: Path
) -> None:
    url, posted = webhook_server
    kept, sent = evaluate(instance, f"{url}/accept", tmp_path / "alerts")
    assert kept is None
    assert str(sent.skip_message).startswith("1 alerts posted, 0 wait in ")
    [message] = posted
    assert message["text"].startswith("break_it[b] failed: ")
    assert "the shelf is empty" in message["text"]
    assert (message["job"], message["partition"], message["step"]) == ("break_it", "b", "broken")
    assert instance.get_run_by_id(message["run_id"]) is not None


def test_without_a_webhook_the_tick_is_skipped_with_a_reason(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    skipped, sent = evaluate(instance, "", tmp_path / "alerts")
    assert skipped.skip_message == "break_it[b] failed, and SHELFSIGHT_WEBHOOK is not set"
    assert sent.skip_message == "no alert waits"


def test_a_webhook_that_refuses_fails_no_tick_and_the_alert_waits(
    instance: dg.DagsterInstance, webhook_server: tuple[str, list[dict[str, str]]], tmp_path: Path
) -> None:
    _, sent = evaluate(instance, f"{webhook_server[0]}/refuse", tmp_path / "alerts")
    assert "0 alerts posted, 1 wait in" in sent.skip_message
    assert sent.skip_message.endswith("responds with the status 500, and it is retried")
    unset = alert_sensor(dg.build_sensor_context(instance=instance), alerts=Alerts(folder=str(tmp_path / "alerts")))
    assert isinstance(unset, dg.SkipReason)
    assert "1 alerts wait in" in str(unset.skip_message)


@pytest.mark.parametrize("webhook", ["file:///etc/passwd", "hooks.shop.example/T0/secret", "ftp://secret@shop.example"])
def test_a_webhook_that_is_no_url_is_refused_and_not_quoted(
    instance: dg.DagsterInstance, webhook: str, tmp_path: Path
) -> None:
    _, sent = evaluate(instance, webhook, tmp_path / "alerts")
    assert "is not an HTTP URL; set SHELFSIGHT_WEBHOOK" in sent.skip_message
    assert webhook not in sent.skip_message


def test_a_redirect_of_a_webhook_is_not_followed(
    instance: dg.DagsterInstance, webhook_server: tuple[str, list[dict[str, str]]], tmp_path: Path
) -> None:
    _, sent = evaluate(instance, f"{webhook_server[0]}/redirect", tmp_path / "alerts")
    assert "responds with the status 307" in sent.skip_message
    assert len(webhook_server[1]) == 1
    assert "a secret" not in sent.skip_message


def test_a_webhook_at_an_address_that_is_not_allowed_gets_nothing(
    instance: dg.DagsterInstance, webhook_server: tuple[str, list[dict[str, str]]], tmp_path: Path
) -> None:
    _, sent = evaluate(instance, f"{webhook_server[0]}/accept", tmp_path / "alerts", allowed_networks="")
    assert "127.0.0.1 is not public" in sent.skip_message
    assert "add its address to allowed_networks" in sent.skip_message
    assert webhook_server[1] == []
