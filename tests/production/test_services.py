"""The services of `deploy/compose.yaml`, without the containers: their own commands and environment, on loopback."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from resources.mlflow.tracking import Tracking
from tests.conftest import REPOSITORY
from tests.end_to_end.separate_services import Pages, listens
from tests.end_to_end.services import responds
from tests.patience import PATIENCE_S, until
from tests.production.postgres import Postgres, free_port
from tests.production.test_postgres import settle

SERVICES: dict[str, Any] = yaml.safe_load((REPOSITORY / "deploy" / "compose.yaml").read_text())["services"]
SERVERS = {"mlflow": "5000", "code": "4000", "webserver": "3000"}
VOLUMES = ("SHELFSIGHT_STORE", "SHELFSIGHT_SCRATCH")  # the variables of folders that are volumes there
PASSWORD = "${SHELFSIGHT_POSTGRES_PASSWORD:?set it in deploy/.env}"  # noqa: S105


class Here:
    """The replacements on this machine for names of containers, their ports and their volumes."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self.ports = {name: str(free_port()) for name in SERVERS}
        self.folder = folder
        self._meant = {
            "postgres:5432": f"127.0.0.1:{postgres.port}",
            **{f"{name}:{port}": f"127.0.0.1:{self.ports[name]}" for name, port in SERVERS.items()},
            "/store/": f"{folder}/store/",
            "0.0.0.0": "127.0.0.1",  # noqa: S104
            "workspace.yaml": str(folder / "workspace.yaml"),
            PASSWORD: postgres.password,
        }
        workspace = yaml.safe_load((REPOSITORY / "deploy" / "workspace.yaml").read_text())
        workspace["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": int(self.ports["code"])}
        (folder / "workspace.yaml").write_text(yaml.safe_dump(workspace))

    def command(self, service: str) -> list[str]:
        port = {SERVERS[service]: self.ports[service]} if service in SERVERS else {}
        name, *arguments = (port.get(word, self._here(word)) for word in SERVICES[service]["command"])
        return [str(Path(sys.executable).parent / name), *arguments]

    def environment(self, service: str) -> dict[str, str]:
        environment = SERVICES[service]["environment"]
        said = {name: self._here(value) for name, value in environment.items() if value is not None}  # None: as here
        folders = {name: str(self.folder / name.rpartition("_")[2].lower()) for name in VOLUMES}
        return {**os.environ, **said, **folders}

    @contextmanager
    def serving(self, service: str) -> Iterator[None]:
        log = self.folder / f"{service}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command(service), env=self.environment(service), cwd=self.folder, stdout=output, stderr=output
            )
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)  # a code server gives calls a minute to end

    def _here(self, word: str) -> str:
        for there, here in self._meant.items():
            word = word.replace(there, here)
        word = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", word)  # the default, as nobody sets it
        return "" if word.startswith("${") else word  # what the example of the env file leaves empty


@pytest.mark.end_to_end
def test_a_run_is_queued_by_one_service_started_by_another_and_executed_by_a_third(
    home: Path, postgres: Postgres, tmp_path: Path
) -> None:
    store = settle(tmp_path / "store")
    shutil.rmtree(store.local / "inbox")  # a feed would be ingested first
    here = Here(postgres, tmp_path)
    with ExitStack() as stack:
        for service in ("mlflow", "code", "webserver", "daemon"):
            stack.enter_context(here.serving(service))
        web = f"http://127.0.0.1:{here.ports['webserver']}"
        until(lambda: listens(int(here.ports["code"])), "the code location")
        until(lambda: responds(f"{web}/server_info"), "the web server")
        health = [here.command("code")[0], *SERVICES["code"]["healthcheck"]["test"][2:-1], here.ports["code"]]
        subprocess.run(health, check=True, capture_output=True)
        Pages(f"{web}/graphql").launch("prepare")
        with dg.DagsterInstance.from_config(str(home)) as instance:
            wanted = dg.RunsFilter(job_name="prepare", statuses=[dg.DagsterRunStatus.SUCCESS])
            until(lambda: instance.get_runs(wanted), "a successful run")
        made = dg.materialize([encoder], resources={"tracking": tracking(here, tmp_path)})
        assert made.success


@dg.asset
def encoder(context: dg.AssetExecutionContext, tracking: dg.ResourceParam[Tracking]) -> None:
    """A run and a model, tracked by MLflow's server: what it is given lies in the store, which it shares."""
    weights = Path(tracking.artifacts).parent / "weights.safetensors"
    weights.write_text("weights")
    with tracking.run(context, {"backbone": "tiny"}) as run:
        tracking.register("encoder-served", run.run_id, [weights], {"sha256": "1"})
    version = tracking.client().get_model_version_by_alias("encoder-served", "current")
    assert Path(version.source, "weights.safetensors").read_text() == "weights"


def tracking(here: Here, folder: Path) -> Tracking:
    (folder / "store" / "mlflow").mkdir()
    return Tracking(
        uri=here.environment("code")["MLFLOW_TRACKING_URI"], artifacts=str(folder / "store/mlflow/artifacts")
    )
