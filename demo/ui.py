"""``make ui``: serves Dagster's web server and daemon, MLflow's UI and, for a demo store, the shop, on loopback."""

import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from demo.settings import DATA, SEED, SHOP_HOST, SHOP_PORT, allow_shop, store_root
from resources.settings import Settings, set_default

HOST = "127.0.0.1"
SETTINGS = Settings.read()
DAGSTER_PORT, MLFLOW_PORT = str(SETTINGS.dagster_port), str(SETTINGS.mlflow_port)


def main() -> int:
    """Runs until interrupted, or until one of the services ends."""
    root = store_root()
    set_default("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "900")  # a feed of many gigabytes is read in one tick
    set_default("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # eight processes for evaluations of language models
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with ExitStack() as stack:
        if (root / "demo.json").exists():
            allow_shop()
            _open_shop(stack)
        services = [subprocess.Popen(command) for command in commands(root)]  # noqa: S603
        print(
            f"Dagster http://{HOST}:{DAGSTER_PORT}   MLflow http://{HOST}:{MLFLOW_PORT}   (Ctrl-C ends both)",
            flush=True,
        )
        while not stopped.wait(1.0) and all(service.poll() is None for service in services):
            pass
        ended = [service.returncode for service in services if service.poll() is not None]
        for service in services:
            service.send_signal(signal.SIGINT)
        for service in services:
            service.wait(timeout=30)
    return 0 if stopped.is_set() else max(1, *ended)


def commands(root: Path) -> list[list[str]]:
    """Returns the commands of the services; ``dagster dev`` is web server, daemon and code server in one."""
    binaries = Path(sys.executable).parent
    tracking = SETTINGS.mlflow_tracking_uri or f"sqlite:///{root / 'mlflow' / 'mlflow.db'}"
    (root / "mlflow").mkdir(parents=True, exist_ok=True)
    return [
        [str(binaries / "dagster"), "dev", "-w", "workspace.yaml", "-h", HOST, "-p", DAGSTER_PORT],
        [
            *(str(binaries / "mlflow"), "ui", "--host", HOST, "--port", MLFLOW_PORT),
            *("--backend-store-uri", tracking, "--workers", "1"),
        ],
    ]


def _open_shop(stack: ExitStack) -> None:
    from demo.catalog import image_source
    from demo.fashion_mnist import load
    from demo.shop import Shop

    stack.enter_context(Shop(image_source(load(DATA)), seed=SEED, host=SHOP_HOST, port=SHOP_PORT))


if __name__ == "__main__":
    sys.exit(main())
