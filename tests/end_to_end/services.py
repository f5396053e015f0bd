"""Real services for a test: the project's own `make ui` command over a copy of a store, on free ports."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from resources.settings import Settings, variable_of
from tests.conftest import REPOSITORY, TinyCatalog
from tests.in_every_process.brevity import EAGER_AUTOMATION
from tests.patience import PATIENCE_S, until


@dataclass(frozen=True)
class Services:
    """The address of the web server, and its store."""

    url: str
    root: Path
    log: Path


def copy_of(catalog: TinyCatalog, folder: Path) -> Path:
    """A store of one's own, with all that was materialized."""
    return catalog.copy(folder).root


@contextmanager
def serving(root: Path, **environment: str) -> Iterator[Services]:
    """Web server, daemon and MLflow's UI over a store, until the block ends."""
    environment = {"SHELFSIGHT_STORE": str(root), "DAGSTER_HOME": str(root / "dagster"), **environment}
    with _started(["-m", "demo.ui"], REPOSITORY, root, environment) as services:
        yield services


@contextmanager
def serving_project(folder: Path) -> Iterator[Services]:
    """`shelfsight up` in the folder of a project, until the block ends; nothing is set but the file's settings."""
    with _started(["-m", "shelfsight", "up"], folder, folder / "store", {}) as services:
        yield services


@contextmanager
def _started(words: list[str], cwd: Path, root: Path, environment: dict[str, str]) -> Iterator[Services]:
    """A command that serves, until the block ends."""
    ports = {f"SHELFSIGHT_{name}_PORT": str(free_port()) for name in ("DAGSTER", "MLFLOW", "EXPLORER")}
    unset = {variable_of(field) for field in Settings.model_fields} - {variable_of("demo_data")}
    inherited = {name: value for name, value in os.environ.items() if environment or name not in unset}
    log = root.parent / "services.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=cwd,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**inherited, **ports, EAGER_AUTOMATION: "1", **environment},
        )
    try:
        url = f"http://127.0.0.1:{ports['SHELFSIGHT_DAGSTER_PORT']}"
        until(lambda: responds(f"{url}/server_info"), f"the web server at {url} (see {log})")
        yield Services(url=url, root=root, log=log)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=PATIENCE_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def responds(url: str) -> bool:
    """Returns True if a web server responds."""
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
