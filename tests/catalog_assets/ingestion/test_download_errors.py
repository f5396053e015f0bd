"""Unforeseen errors of a delivery are counted by a check, and posted where they are too many."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import polars as pl
import pytest

from catalog_assets.definitions import defs
from catalog_assets.ingestion.download_errors import check_errors
from resources.alerts import Alerts


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A webhook's URL, and the messages posted to it; `/broken` accepts none."""
    posted: list[dict[str, str]] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/broken":
                posted.append(json.loads(body))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = HTTPServer(("127.0.0.1", 0), Webhook)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()
    thread.join()
    server.server_close()


def outcomes(num_errors: int, num_links: int) -> pl.DataFrame:
    statuses = ["internal_error"] * num_errors + ["ok", "gone", "timeout"] * num_links
    return pl.DataFrame({"status": statuses[:num_links]}, schema={"status": pl.String})


@pytest.mark.parametrize(
    ("num_errors", "num_links", "passed"),
    [(0, 0, True), (0, 10, True), (10, 1_000, True), (11, 1_000, False), (1, 1, False)],
)
def test_share_of_unforeseen_errors_decides(
    webhook: tuple[str, list[dict[str, str]]], num_errors: int, num_links: int, passed: bool
) -> None:
    url, posted = webhook
    result = check_errors("hansen.1", outcomes(num_errors, num_links), Alerts(webhook=url), logging.getLogger("t"))
    assert result.passed is passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert result.metadata["internal_error"].value == num_errors
    assert len(posted) == (0 if passed else 1)
    if not passed:
        assert posted[0]["text"].startswith("download[hansen.1]: ")
        assert "internal_error" in posted[0]["text"]
        assert posted[0]["partition"] == "hansen.1"


@pytest.mark.parametrize("path", ["/broken", "nothing listens"])
def test_alert_that_cannot_be_posted_fails_no_delivery(
    webhook: tuple[str, list[dict[str, str]]], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{webhook[0]}/broken" if path == "/broken" else "http://127.0.0.1:9/secret"
    result = check_errors("hansen.1", outcomes(5, 10), Alerts(webhook=url), logging.getLogger("t"))
    assert not result.passed
    assert "the alert of 'hansen.1' was not posted" in caplog.text
    assert "secret" not in caplog.text


def test_nothing_is_posted_without_a_webhook() -> None:
    assert not check_errors("hansen.1", outcomes(5, 10), Alerts(), logging.getLogger("t")).passed


def test_check_is_one_of_each_delivery_and_blocks_nothing() -> None:
    graph = defs.resolve_asset_graph()
    key = dg.AssetCheckKey(dg.AssetKey("outcomes"), "download_errors")
    assert not graph.get(key).blocking
    assert graph.get(key).partitions_def is not None
