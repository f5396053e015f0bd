"""`shelfsight up`: serves Dagster's web server and daemon, MLflow's UI and the explorer over a project."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from resources.instance import WORKSPACE, made_home
from resources.project_file import PROJECT_FILE, ProjectError
from resources.settings import Settings, project_file, set_default, variable_of
from resources.store import Store
from shelfsight.cli.free_ports import check_free
from shelfsight.explorer.server import address, require_access

HOST = "127.0.0.1"
STOP_S = 30.0  # a service that takes longer to end is killed


def up(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serves a project until Ctrl-C or SIGTERM; then everything that it started ends.

    Args:
        settings: names the store and the ports.
        announce: shows a line with the addresses.

    Raises:
        ProjectError: there is neither a project nor a store.
        ValueError: a port is taken, a service ended by itself, or the explorer would be open to anybody.
    """
    store = Store.of(settings)
    if project_file().path is None and not store.path.exists():
        raise ProjectError(
            f"there is no {PROJECT_FILE} in this folder or above it, and no store at {settings.root}; "
            "make a project by `shelfsight init NAME`, or set SHELFSIGHT_PROJECT"
        )
    require_access(settings)
    for name in ("dagster_port", "mlflow_port"):
        check_free(name, HOST, getattr(settings, name))
    check_free("explorer_port", settings.explorer_host, settings.explorer_port)
    os.environ["DAGSTER_HOME"] = str(made_home(settings, store))
    os.environ[variable_of("store")] = settings.root
    set_default("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "900")  # a feed of many gigabytes is read in one tick
    set_default("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # eight processes for evaluations of language models
    announce(
        f"Dagster http://{HOST}:{settings.dagster_port}   MLflow http://{HOST}:{settings.mlflow_port}   "
        f"Explorer {address(settings)}   (all respond in some seconds; Ctrl-C ends them)"
    )
    _serve(commands(settings, store))


def commands(settings: Settings, store: Store) -> list[list[str]]:
    """Returns the commands of the services; ``dagster dev`` is web server, daemon and code server in one."""
    tracking = settings.mlflow_tracking_uri or f"sqlite:///{store.scratch / 'mlflow' / 'mlflow.db'}"
    (store.scratch / "mlflow").mkdir(parents=True, exist_ok=True)
    # As modules: a package's scripts may lie in the folder of another environment.
    return [
        [
            *(sys.executable, "-m", "dagster", "dev", "-w", str(WORKSPACE)),
            *("-h", HOST, "-p", str(settings.dagster_port)),
        ],
        [
            *(sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(settings.mlflow_port)),
            *("--backend-store-uri", tracking, "--workers", "1"),
        ],
        [sys.executable, "-m", "shelfsight", "explore", "--store", settings.root],
    ]


def _serve(services: Sequence[Sequence[str]]) -> None:
    """Runs the services until a signal, or until one of them ends; ValueError in the latter case."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    started = [subprocess.Popen(command) for command in services]  # noqa: S603
    while not stopped.wait(1.0) and all(each.poll() is None for each in started):
        pass
    ended = [(command, each.returncode) for command, each in zip(services, started, strict=True) if each.poll()]
    for each in started:
        each.send_signal(signal.SIGINT)
    for each in started:
        try:
            each.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()
    if not stopped.is_set():
        failed = " and ".join(f"`{' '.join(command[2:4])}` with exit code {code}" for command, code in ended)
        raise ValueError(f"a service ended by itself: {failed or 'without an error'}; its last lines are above")
