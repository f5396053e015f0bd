"""The services over one store, each a process of its own, so that a test can kill one and leave the others."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import yaml

from tests.conftest import REPOSITORY
from tests.end_to_end.services import free_port, responds
from tests.patience import until

Process = subprocess.Popen[bytes]
MODULE = "tests.end_to_end.halting_definitions"


LAUNCH = """mutation($job: String!, $tags: [ExecutionTag!]!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "shelfsight", repositoryName: "__repository__", jobName: $job}
    executionMetadata: {tags: $tags}
  }) { ... on LaunchRunSuccess { run { runId } } }
}"""
CANCEL = "mutation($run: String!) { terminateRun(runId: $run) { __typename } }"
MESSAGES = """query($run: ID!) {
  logsForRun(runId: $run) { ... on EventConnection { events { ... on MessageEvent { message } } } }
}"""


@dataclass(frozen=True)
class Pages:
    """The GraphQL queries that the pages of a web server send."""

    url: str

    def launch(self, job: str, partition: str | None = None) -> str:
        """Launch a job, for a partition where it has any; the run's id."""
        tags = [{"key": "dagster/partition", "value": partition}] if partition is not None else []
        return str(self._asked(LAUNCH, job=job, tags=tags)["launchRun"]["run"]["runId"])

    def cancel(self, run_id: str) -> None:
        """Terminates a run, as the button "Terminate" does."""
        assert self._asked(CANCEL, run=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def messages(self, run_id: str) -> str:
        """Returns the events on the page of a run, one line each."""
        events = self._asked(MESSAGES, run=run_id)["logsForRun"]["events"]
        return "\n".join(event["message"] for event in events)

    def _asked(self, query: str, **variables: object) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310 our own, on loopback
        with urlopen(request) as response:  # noqa: S310
            reply = json.load(response)
        assert "errors" not in reply, reply
        data: dict[str, Any] = reply["data"]
        return data


@dataclass(frozen=True)
class SeparateServices:
    """A store whose code server is up; daemons and web servers are started over it at will."""

    root: Path
    workspace: Path

    @contextmanager
    def daemon(self) -> Iterator[Process]:
        """A daemon until the block ends, or until it is killed."""
        with _started(self.root, "daemon", "-m", "dagster._daemon", "run", "-w", str(self.workspace)) as process:
            yield process

    def doomed_daemon(self, method: str, num_calls: int) -> int:
        """Runs a daemon that is killed at the given call of a method of its instance; returns its exit code."""
        words = ("-m", "tests.end_to_end.doomed_daemon", method, str(num_calls), str(self.workspace))
        with _started(self.root, f"doomed-{method}", *words) as process:
            return process.wait()

    @contextmanager
    def web_server(self, port: int) -> Iterator[tuple[Process, "Pages"]]:
        """A web server on a port, until the block ends or it is killed; and the queries of its pages."""
        words = ("-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(self.workspace))
        with _started(self.root, "web-server", *words) as process:
            until(lambda: responds(f"http://127.0.0.1:{port}/server_info"), "the web server")
            yield process, Pages(f"http://127.0.0.1:{port}/graphql")


@contextmanager
def code_server(root: Path) -> Iterator[SeparateServices]:
    """A store's code server, which starts the processes of its runs, until the block ends."""
    port = free_port()
    workspace = root.parent / "workspace.yaml"
    location = {"host": "127.0.0.1", "port": port, "location_name": "shelfsight"}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}))
    words = ("-m", "dagster", "api", "grpc", "-m", MODULE, "-h", "127.0.0.1", "-p", str(port))
    with _started(root, "code-server", *words) as process:
        until(lambda: process.poll() is not None or listens(port), "the code server")
        assert process.poll() is None, f"the code server ended: see {root.parent / 'code-server.log'}"
        yield SeparateServices(root, workspace)


def watchful(root: Path) -> None:
    """Let the store's daemons look after their runs each second, where they would do so every other minute."""
    path = root / "dagster" / "dagster.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["run_monitoring"] |= {"poll_interval_seconds": 1, "free_slots_after_run_end_seconds": 1}
    path.write_text(yaml.safe_dump(settings))


@contextmanager
def _started(root: Path, name: str, *words: str) -> Iterator[Process]:
    """A process of Python in a session of its own, and all that it started, until the block ends."""
    environment = {
        **os.environ,
        "SHELFSIGHT_STORE": str(root),
        "DAGSTER_HOME": str(root / "dagster"),
        "SHELFSIGHT_ON_ARRIVAL": "parse",
    }
    with (root.parent / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # the test has killed all of it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(port: int) -> bool:
    """Returns True if a process of this machine accepts connections at a port."""
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0
