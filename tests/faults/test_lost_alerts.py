"""Alerts that a webhook refuses, and processes that die before, between and after: no alert is lost or blocks one."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from upath import UPath

from resources.alerts import AlertNotPostedError, Alerts
from resources.pending_alerts import FIRST_BACKOFF, MAX_BACKOFF, Alert, PendingAlerts

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = "T000-B000-hunter22"  # noqa: S105 of this test


class Webhook(HTTPServer):
    """Responds with the status of the path, `/500/...`; redirects lead to itself."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[dict[str, str]] = []
        self.paths: list[str] = []

    def url(self, status: int) -> str:
        return f"http://127.0.0.1:{self.server_port}/{status}/{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        status = int(self.path.split("/")[1])
        self.server.paths.append(self.path)
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.server.url(200))
        self.end_headers()

    do_GET = do_POST  # noqa: N815 as the server looks for it

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def alerts(folder: Path, url: str) -> Alerts:
    return Alerts(webhook=url, folder=str(folder), allowed_networks="127.0.0.1/32")


def closed_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_an_alert_that_is_refused_is_kept_and_posted_when_the_webhook_is_back(
    status: int, webhook: Webhook, tmp_path: Path
) -> None:
    refusing = alerts(tmp_path, webhook.url(status))
    refusing.queue("run-1", "broken", {"job": "ingest"})
    sent = refusing.deliver(NOON)
    assert (sent.num_sent, sent.num_waiting) == (0, 1)
    assert f"the status {status}" in sent.problem
    assert len(webhook.posted) == 1  # no redirect is followed
    assert refusing.deliver(NOON + FIRST_BACKOFF / 2).problem == ""  # it is not its turn yet
    back = alerts(tmp_path, webhook.url(204))
    assert back.deliver(NOON + FIRST_BACKOFF).num_sent == 1
    assert webhook.posted[-1] == {"text": "broken", "id": "run-1", "job": "ingest"}
    assert back.pending.waiting() == []
    assert back.deliver(NOON + timedelta(days=1)).num_sent == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/{secret}",
        "http://name.invalid/{secret}",
        "https://127.0.0.1:{port}/{secret}",
        "http://user:{secret}@127.0.0.1:{port}/x",
        "http://127.0.0.1:{port}/x?token={secret}",
        "http://127.0.0.1:99999/{secret}",
        "http://[::1/{secret}",
        "http:///{secret}",
        "hooks.example/services/{secret}",
        "file:///{secret}",
        "{secret}",
    ],
)
def test_no_error_of_a_webhook_shows_its_secret(url: str, tmp_path: Path) -> None:
    failing = alerts(tmp_path, url.format(port=closed_port(), secret=SECRET))
    failing.queue("run-1", "broken", {})
    sent = failing.deliver(NOON)
    assert sent.num_waiting == 1
    assert sent.problem
    with pytest.raises(AlertNotPostedError) as refused:
        failing.post(Alert(id="run-1", text="broken"))
    for shown in (sent.problem, str(refused.value), repr(failing), str(failing), (tmp_path / "run-1.json").read_text()):
        assert SECRET not in shown
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_attempts_are_further_apart_each_time_and_never_more_than_an_hour(tmp_path: Path) -> None:
    pending, now, waits = PendingAlerts(UPath(tmp_path)), NOON, []

    def refuse(_: Alert) -> None:
        raise OSError("down")

    pending.add(Alert(id="a", text="x"))
    for _ in range(12):
        pending.deliver(refuse, now)
        [alert] = pending.waiting()
        waits.append(datetime.fromisoformat(alert.next_attempt_at) - now)
        now += waits[-1]
    assert waits[:4] == [FIRST_BACKOFF * factor for factor in (1, 2, 4, 8)]
    assert waits == sorted(waits)
    assert set(waits[-4:]) == {MAX_BACKOFF}


def test_an_alert_that_is_never_taken_holds_up_no_other_one(tmp_path: Path) -> None:
    pending, taken = PendingAlerts(UPath(tmp_path)), []

    def take(alert: Alert) -> None:
        if alert.id == "a":
            raise OSError("too large")
        taken.append(alert.id)

    for number, name in enumerate("abc"):
        pending.add(Alert(id=name, text="x", created_at=(NOON + timedelta(seconds=number)).isoformat()))
    pending.deliver(take, NOON)
    pending.deliver(take, NOON + timedelta(seconds=1))
    assert taken == ["b", "c"]
    assert [alert.id for alert in pending.waiting()] == ["a"]


@pytest.mark.parametrize("back", [timedelta(days=-400), timedelta(hours=-2)])
def test_a_clock_that_has_gone_back_delays_no_alert(tmp_path: Path, back: timedelta) -> None:
    pending = PendingAlerts(UPath(tmp_path))
    pending.add(Alert(id="a", text="x", num_attempts=3, next_attempt_at=(NOON + FIRST_BACKOFF).isoformat()))
    assert pending.deliver(lambda _: None, NOON + back).num_sent == 1


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"id": "x"}', '{"id": 1, "text": [], "details": {}}', "\0\0", '"' + "x" * 100]
)
def test_a_file_that_is_no_alert_is_put_aside(tmp_path: Path, content: str) -> None:
    pending = PendingAlerts(UPath(tmp_path))
    (tmp_path / "broken.json").write_text(content)
    pending.add(Alert(id="a", text="x"))
    assert [alert.id for alert in pending.waiting()] == ["a"]
    assert (tmp_path / "broken.unreadable").exists()


def test_the_same_failure_seen_twice_is_one_alert(tmp_path: Path) -> None:
    kept = alerts(tmp_path, "http://127.0.0.1:1/x")
    for _ in range(2):
        kept.queue("run-1", "broken", {})
    assert len(kept.pending.waiting()) == 1


def test_a_folder_that_cannot_be_written_posts_at_once(webhook: Webhook, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    alerts(tmp_path / "file" / "alerts", webhook.url(200)).queue("run-1", "broken", {})
    assert [each["id"] for each in webhook.posted] == ["run-1"]
    with pytest.raises(AlertNotPostedError):
        alerts(tmp_path / "file" / "alerts", webhook.url(500)).queue("run-1", "broken", {})


KILLED = """
import os, signal, sys
from upath import UPath
from resources.pending_alerts import Alert, PendingAlerts
from datetime import UTC, datetime
folder, moment = sys.argv[1:]
pending = PendingAlerts(UPath(folder))
def post(alert):
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    print(alert.id, flush=True)
    if moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)
for name in "ab":
    pending.add(Alert(id=name, text="x", created_at=f"2026-01-01T00:00:0{ord(name) - 97}+00:00"))
if moment == "queued":
    os.kill(os.getpid(), signal.SIGKILL)
pending.deliver(post, datetime.now(UTC))
"""


@pytest.mark.parametrize(
    ("moment", "posted", "left"), [("queued", "", "ab"), ("before", "", "ab"), ("after", "a", "ab")]
)
def test_a_process_that_is_killed_leaves_every_alert_to_the_next_one(
    moment: str, posted: str, left: str, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), moment],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "".join(killed.stdout.split()) == posted
    taken: list[str] = []
    PendingAlerts(UPath(tmp_path)).deliver(lambda alert: taken.append(alert.id), datetime.now(UTC))
    assert "".join(taken) == left
    assert PendingAlerts(UPath(tmp_path)).waiting() == []


@pytest.mark.parametrize("text", ["<!channel> \x1b[31m", "https://user:hunter22@shop/feed", "?token=hunter22&x=1"])
def test_what_is_posted_has_neither_mentions_nor_secrets(text: str, webhook: Webhook, tmp_path: Path) -> None:
    posting = alerts(tmp_path, webhook.url(200))
    posting.queue("run-1", f"ingest failed: {text}", {"cause": text})
    assert posting.deliver(NOON).num_sent == 1
    shown = json.dumps(webhook.posted)
    assert "hunter22" not in shown
    assert "<!channel>" not in webhook.posted[0]["text"]
    assert webhook.posted[0]["text"].isprintable()
