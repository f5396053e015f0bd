"""`shelfsight up` refuses what it cannot serve, and passes the project on; the services are tested end to end."""

import os
import socket
from pathlib import Path

import pytest

from resources.instance import SHIPPED, WORKSPACE
from resources.settings import Settings, variable_of
from resources.store import Store
from shelfsight.cli import up as module
from shelfsight.cli.command import main
from shelfsight.cli.up import commands
from tests.end_to_end.services import free_port


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; nothing is set in the environment, and what the command sets is taken back."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.delenv("SHELFSIGHT_PROJECT", raising=False)
    for name in ("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"):
        monkeypatch.setenv(name, "900")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_project_or_a_store_the_way_out_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up"]) == 1
    assert "no shelfsight.toml in this folder or above it" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["dagster_port", "mlflow_port", "explorer_port"])
def test_a_taken_port_is_named_with_the_setting_that_changes_it(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (folder / "shelfsight.toml").write_text(f"{name} = {port}\n")
        assert main(["up"]) == 1
    error = capsys.readouterr().err
    assert f"{name} {port} is not to be had on 127.0.0.1" in error
    assert f"{name} in shelfsight.toml, or {variable_of(name)}" in error


def test_the_instance_is_made_and_a_service_that_ends_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real processes in place of the services, which take half a minute to start."""
    ports = free_port(), free_port(), free_port()
    (folder / "shelfsight.toml").write_text("dagster_port = {}\nmlflow_port = {}\nexplorer_port = {}\n".format(*ports))
    script = "import os, sys; open('seen', 'w').write(os.environ['SHELFSIGHT_STORE']); sys.exit(3)"
    ending = [module.sys.executable, "-S", "-c", script]
    waiting = [module.sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(module, "commands", lambda settings, store: [ending, waiting])
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("SHELFSIGHT_STORE", "")
    assert main(["up"]) == 1
    output = capsys.readouterr()
    assert (
        "Dagster http://127.0.0.1:{}   MLflow http://127.0.0.1:{}   Explorer http://127.0.0.1:{}".format(*ports)
        in output.out
    )
    assert "a service ended by itself" in output.err
    assert "exit code 3" in output.err
    home = folder / "store" / "dagster"
    assert (home / "dagster.yaml").read_text() == SHIPPED.read_text()
    assert os.environ["DAGSTER_HOME"] == str(home)
    assert (folder / "seen").read_text() == str(folder / "store")


def test_everything_is_bound_to_loopback(folder: Path) -> None:
    (folder / "shelfsight.toml").touch()
    dagster, mlflow, explorer = commands(Settings.read(), Store.of(Settings.read()))
    assert dagster[dagster.index("-h") + 1] == mlflow[mlflow.index("--host") + 1] == "127.0.0.1"
    assert Settings.read().explorer_host == "127.0.0.1"
    assert "explore" in explorer
    assert WORKSPACE.is_file()
