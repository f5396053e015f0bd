"""Alerting: a failed run is posted to a real webhook, with its cause."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from catalog_assets.automation.alerting import failure_sensor
from resources.alerts import Alerts

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


def evaluate(instance: dg.DagsterInstance, webhook: str, allowed_networks: str = "127.0.0.1/32") -> object:
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
    return failure_sensor(context, alerts=Alerts(webhook=webhook, allowed_networks=allowed_networks))


def test_a_failed_run_is_posted_with_its_partition_and_cause(
    instance: dg.DagsterInstance, webhook_server: tuple[str, list[dict[str, str]]]
) -> None:
    url, posted = webhook_server
    evaluate(instance, f"{url}/accept")
    [message] = posted
    assert message["text"].startswith("break_it[b] failed: ")
    assert "the shelf is empty" in message["text"]
    assert (message["job"], message["partition"], message["step"]) == ("break_it", "b", "broken")
    assert instance.get_run_by_id(message["run_id"]) is not None


def test_without_a_webhook_the_tick_is_skipped_with_a_reason(instance: dg.DagsterInstance) -> None:
    skipped = evaluate(instance, "")
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "break_it[b] failed, and SHELFSIGHT_WEBHOOK is not set"


def test_a_webhook_that_refuses_fails_the_tick(
    instance: dg.DagsterInstance, webhook_server: tuple[str, list[dict[str, str]]]
) -> None:
    with pytest.raises(OSError, match="500"):
        evaluate(instance, f"{webhook_server[0]}/refuse")


@pytest.mark.parametrize("webhook", ["file:///etc/passwd", "hooks.shop.example/T0/secret", "ftp://secret@shop.example"])
def test_a_webhook_that_is_no_url_is_refused_and_not_quoted(instance: dg.DagsterInstance, webhook: str) -> None:
    with pytest.raises(ValueError, match=r"the webhook is not an HTTP URL; set SHELFSIGHT_WEBHOOK") as refused:
        evaluate(instance, webhook)
    assert webhook not in str(refused.value)


def test_a_redirect_of_a_webhook_is_not_followed(
    instance: dg.DagsterInstance, webhook_server: tuple[str, list[dict[str, str]]]
) -> None:
    with pytest.raises(OSError, match="HTTP status 307; name the address") as refused:
        evaluate(instance, f"{webhook_server[0]}/redirect")
    assert len(webhook_server[1]) == 1
    assert "a secret" not in str(refused.value)


def test_a_webhook_at_an_address_that_is_not_allowed_gets_nothing(
    instance: dg.DagsterInstance, webhook_server: tuple[str, list[dict[str, str]]]
) -> None:
    with pytest.raises(OSError, match=r"127\.0\.0\.1 is not public .* add its address to allowed_networks"):
        evaluate(instance, f"{webhook_server[0]}/accept", allowed_networks="")
    assert webhook_server[1] == []
