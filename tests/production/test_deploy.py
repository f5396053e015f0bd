"""The files of `deploy/`, checked without Docker and Kubernetes: names, commands, settings, versions."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from resources.instance import SHIPPED
from resources.settings import OTHER_VARIABLES, Settings, variable_of
from shelfsight.cli.command import click_command
from tests.conftest import REPOSITORY
from tests.dagster_internals import create_dagster_cli, create_dagster_daemon_cli

DEPLOY = REPOSITORY / "deploy"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PINS = dict(line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if "==" in line)
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
OTHERS = {  # variables of PostgreSQL's image and client, of Python, of pip, of Dagster and of the shell
    *("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "PGPASSWORD", "PGPASSFILE"),
    *("PYTHONUNBUFFERED", "PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK", "PATH"),
    *("DAGSTER_HOME", "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"),
    # of S3's clients
    *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "AWS_ALLOW_HTTP",
}


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


COMPOSE = documents("compose.yaml")[0]
HELM = documents("helm-values.yaml")[0]
KUBERNETES = documents("kubernetes.yaml")
[LOCATION] = HELM["dagster-user-deployments"]["deployments"]
[MLFLOW] = next(each for each in KUBERNETES if each["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"]


def entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of nested mappings with its value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from entries(inner)


def environment() -> dict[str, str]:
    """Every variable that the files set, with the value of one place."""
    found = {name: str(value) for key, each in entries(COMPOSE) if key == "environment" for name, value in each.items()}
    found |= LOCATION["env"] | HELM["dagsterDaemon"]["env"]
    found |= {each["name"]: each.get("value", "") for each in MLFLOW["env"]}
    assigned = re.findall(r"^(?:ENV| {4}) ?(.*=.*?)(?: \\)?$", DOCKERFILE, flags=re.MULTILINE)
    found |= dict(pair.split("=", 1) for line in assigned for pair in line.split() if re.match(r"[A-Z_]+=", pair))
    return found


def commands() -> list[list[str]]:
    """Every command that a container starts with, or is required for its health by."""
    starts = [service["command"] for service in COMPOSE["services"].values() if "command" in service]
    checks = [COMPOSE["services"]["code"]["healthcheck"]["test"][1:]]
    chart = ["dagster", "api", "grpc", "-h", "0.0.0.0", "-p", str(LOCATION["port"]), *LOCATION["dagsterApiGrpcArgs"]]  # noqa: S104
    image = json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, flags=re.MULTILINE)[-1])
    return [*starts, *checks, chart, image, MLFLOW["command"]]


def test_the_instance_is_the_root_s_but_for_its_storage_and_launcher() -> None:
    root = yaml.safe_load(SHIPPED.read_text())
    root.pop("run_launcher", None)  # it looks for runs' processes, which another container has
    storage = {"postgres": {"postgres_url": {"env": "SHELFSIGHT_POSTGRES_URL"}}}
    assert documents("dagster.yaml") == [{"storage": storage, **root}]


def test_every_variable_is_read_by_the_project_or_by_what_it_runs_on() -> None:
    import mlflow.environment_variables
    from mlflow.cli import cli

    settings = {variable_of(field) for field in Settings.model_fields}
    of_files = {name for name, reader in OTHER_VARIABLES.items() if reader.startswith(("deploy/", "resources/"))}
    server = {option.envvar for option in cli.commands["server"].params}  # type: ignore[attr-defined]
    for name in environment().keys() - OTHERS:
        is_mlflow_s = hasattr(mlflow.environment_variables, name)
        assert is_mlflow_s or name in settings | of_files | server, name


def test_no_file_holds_a_password() -> None:
    secrets = {str(value) for key, value in entries(COMPOSE) if key in ("PGPASSWORD", "POSTGRES_PASSWORD")}
    assert secrets == {"${SHELFSIGHT_POSTGRES_PASSWORD:?set it in deploy/.env}"}
    assert HELM["postgresql"]["postgresqlPassword"] == ""
    assert not HELM["generatePostgresqlPasswordSecret"]
    for path in DEPLOY.iterdir():
        assert not re.search(r"//\w+:[^@\s]+@", path.read_text()), path  # user:password@host
    filled = re.findall(r"^[A-Z_]*PASSWORD=.+$", (DEPLOY / ".env.example").read_text(), flags=re.MULTILINE)
    assert filled == []
    assert ".env" in (REPOSITORY / ".gitignore").read_text().splitlines()


def test_compose_requires_the_variables_of_its_example_env_file() -> None:
    compose, example = (DEPLOY / "compose.yaml").read_text(), (DEPLOY / ".env.example").read_text()
    required = set(re.findall(r"\$\{(\w+):\?", compose))
    assert required == set(re.findall(r"^(\w+)=", example, flags=re.MULTILINE))
    settings = {variable_of(field) for field in Settings.model_fields} | set(OTHER_VARIABLES)
    assert set(re.findall(r"^# (\w+)=", example, flags=re.MULTILINE)) <= settings


def test_compose_passes_every_setting_to_the_code_that_reads_it() -> None:
    """All but Dagster's folder, which the image names, and the demo's shop."""
    passed = set(COMPOSE["services"]["code"]["environment"])
    settings = {variable_of(field) for field in Settings.model_fields}
    read_by_compose = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert settings - passed - read_by_compose == {
        "DAGSTER_HOME",
        "SHELFSIGHT_DEMO_SHOP_PORT",
        "SHELFSIGHT_DEMO_DATA",
    }
    page = (REPOSITORY / "docs" / "how-to" / "deploy.md").read_text()
    documented = set(re.findall(r"\b(?:AWS|MLFLOW|SHELFSIGHT)_[A-Z_]*[A-Z]\b", page))
    of_kubernetes_or_compose = {"SHELFSIGHT_POSTGRES_PASSWORD", "SHELFSIGHT_POSTGRES_IMAGE"}
    assert documented - of_kubernetes_or_compose - read_by_compose <= passed


@pytest.mark.parametrize("name", list(COMPOSE["services"]))
def test_a_container_of_compose_is_confined(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["networks"]
    if name != "postgres":  # whose start becomes another user, and whose folders are written
        assert service["read_only"] is True
        assert "cap_add" not in service
        assert any(each.startswith("/tmp") for each in service["tmpfs"])  # noqa: S108 a mount point


def test_only_what_has_to_be_reached_shares_a_network() -> None:
    members = {
        network: {name for name, service in COMPOSE["services"].items() if network in service["networks"]}
        for network in COMPOSE["networks"]
    }
    assert members["tracking"] == {"code", "mlflow"}  # MLflow asks for no token
    assert "mlflow" not in members["outside"] | members["location"]
    assert members["outside"] == {"code"}
    inner = {name for name, options in COMPOSE["networks"].items() if options and options.get("internal")}
    assert inner == {"data", "location", "tracking"}
    assert COMPOSE["services"]["postgres"]["networks"] == ["data"]


def deployment(name: str) -> Any:
    """One deployment of kubernetes.yaml."""
    [found] = [each for each in KUBERNETES if each["kind"] == "Deployment" and each["metadata"]["name"] == name]
    return found


def test_the_explorer_lets_nobody_in_without_a_token() -> None:
    compose = COMPOSE["services"]["explorer"]
    required = "${SHELFSIGHT_EXPLORER_TOKEN:?set it in deploy/.env}"
    assert compose["environment"]["SHELFSIGHT_EXPLORER_TOKEN"] == required
    assert all(each.startswith("127.0.0.1:") for each in compose["ports"])
    [container] = deployment("explorer")["spec"]["template"]["spec"]["containers"]
    [token] = [each for each in container["env"] if each["name"] == "SHELFSIGHT_EXPLORER_TOKEN"]
    assert token["valueFrom"] == {"secretKeyRef": {"name": "shelfsight-explorer", "key": "token"}}


def pods() -> dict[str, tuple[Any, Any]]:
    """The security contexts of pod and container that the files set, by the name of what they are of."""
    own = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in KUBERNETES
        if each["kind"] == "Deployment"
    }
    run = HELM["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    return {
        **{name: (spec["securityContext"], spec["containers"][0]["securityContext"]) for name, spec in own.items()},
        "code location": (LOCATION["podSecurityContext"], LOCATION["securityContext"]),
        "runs and steps": (run["podSpecConfig"]["securityContext"], run["containerConfig"]["securityContext"]),
        "web server": (HELM["dagsterWebserver"]["podSecurityContext"], HELM["dagsterWebserver"]["securityContext"]),
        "daemon": (HELM["dagsterDaemon"]["podSecurityContext"], HELM["dagsterDaemon"]["securityContext"]),
    }


@pytest.mark.parametrize("name", pods())
def test_a_pod_meets_the_restricted_standard_and_has_a_read_only_root(name: str) -> None:
    """Kubernetes' Pod Security Standards, "restricted", without the namespace's label at hand to enforce it."""
    pod, container = pods()[name]
    assert (pod["runAsNonRoot"], pod["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert pod["runAsUser"] >= 10_000
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"] is True


def test_mlflow_s_server_has_no_token_of_the_cluster_and_is_reached_by_its_clients_alone() -> None:
    tracking = deployment("tracking")
    assert tracking["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    policies = {each["metadata"]["name"]: each["spec"] for each in KUBERNETES if each["kind"] == "NetworkPolicy"}
    assert policies["tracking"]["podSelector"]["matchLabels"] == tracking["spec"]["template"]["metadata"]["labels"]
    [[source]] = [rule["from"] for rule in policies["tracking"]["ingress"]]
    assert source["podSelector"]["matchLabels"] == LOCATION["labels"]
    refused = [
        address
        for each in policies["shelfsight-no-cloud-metadata"]["egress"][0]["to"]
        for address in each.get("ipBlock", {}).get("except", [])
    ]
    assert {"169.254.0.0/16", "168.63.129.16/32", "192.0.0.192/32"} <= set(refused)


def test_a_run_ends_after_three_days_and_another_limit_is_a_tag() -> None:
    root = yaml.safe_load(SHIPPED.read_text())
    assert root["run_monitoring"]["max_runtime_seconds"] == 3 * 24 * 3600


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_is_one_that_the_installed_version_takes(command: list[str]) -> None:
    from dagster_webserver.cli import dagster_webserver
    from mlflow.cli import cli

    known = {
        "dagster": create_dagster_cli(),
        "dagster-daemon": create_dagster_daemon_cli(),
        "dagster-webserver": dagster_webserver,
        "mlflow": cli,
        "shelfsight": click_command(),
    }
    called, arguments = known[command[0]], command[1:]
    while hasattr(called, "commands"):
        called, arguments = called.commands[arguments[0]], arguments[1:]
    called.make_context(" ".join(command), arguments)  # raises on an option that it does not have


def test_the_image_copies_what_there_is_and_what_the_builder_is_let_have() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, flags=re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert {f"!{source}" for source in copied} == {line for line in ignored if line.startswith("!")}
    for source in copied:
        assert (REPOSITORY / source).exists(), source
    packages = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(packages["packages"]) <= set(copied)


def test_the_image_is_of_the_pinned_versions_and_not_root_s() -> None:
    installs = re.findall(r"pip install (.*?)(?:;? \\| &&|$)", DOCKERFILE, flags=re.MULTILINE)
    assert len(installs) == 4
    for each in installs:
        own_build = each == "--no-deps --no-build-isolation ."
        assert own_build or "--index-url" in each or each.startswith("--require-hashes --no-deps -r requirements.txt")
    extras = re.search(r"^IMAGE_EXTRAS := (.*)$", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)
    assert extras is not None
    assert set(extras[1].split()) == PROJECT["optional-dependencies"].keys() - {"dev"}
    assert {"torch", "torchvision", "dagster-postgres", "dagster-k8s", "psycopg2-binary"} <= PINS.keys()
    assert re.findall(r"^USER (.*)$", DOCKERFILE, flags=re.MULTILINE) == ["10001"]
    minor = PROJECT["requires-python"].removeprefix(">=")
    assert {each.split(":")[1].split("-")[0] for each in re.findall(r"^ARG PYTHON=(python\S+)", DOCKERFILE, re.M)} == {
        minor
    }


def test_every_package_of_the_image_has_hashes_and_the_project_s_version_and_no_address() -> None:
    lines = (DEPLOY / "requirements.txt").read_text().splitlines()
    locked = {}
    for line in lines:
        name, version, hashes = re.fullmatch(r"([a-z0-9-]+)==(\S+?)((?: --hash=sha256:[0-9a-f]{64})+)", line).groups()
        locked[name] = version
        assert hashes
    assert "://" not in "".join(lines)
    assert {name: PINS[name] for name in locked.keys() & PINS.keys()} == {
        name: version for name, version in locked.items() if name in PINS
    }
    required = [*PROJECT["dependencies"], "hatchling"]
    required += [each for name, extra in PROJECT["optional-dependencies"].items() if name != "dev" for each in extra]
    assert {re.split(r"[\[>=<]", each)[0] for each in required} <= locked.keys()


def test_images_and_chart_have_the_versions_of_the_project_and_of_dagster() -> None:
    image = f"shelfsight:{PROJECT['version']}"
    assert {service["image"] for name, service in COMPOSE["services"].items() if name != "postgres"} == {image}
    assert MLFLOW["image"] == image
    assert f"{LOCATION['image']['repository']}:{LOCATION['image']['tag']}" == image
    said = re.findall(r"--version (\S+)", (DEPLOY / "helm-values.yaml").read_text())
    assert said == [PINS["dagster"]]


def test_what_every_server_publishes_is_on_loopback() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published == [
        "127.0.0.1:${SHELFSIGHT_DAGSTER_PORT:-3000}:3000",
        "127.0.0.1:${SHELFSIGHT_EXPLORER_PORT:-3002}:3002",
        "127.0.0.1:${SHELFSIGHT_MLFLOW_PORT:-5000}:5000",
    ]


def test_the_page_about_deploying_names_every_file_and_every_variable() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "deploy.md").read_text()
    assert [path.name for path in DEPLOY.iterdir() if path.name not in page and path.name != ".env"] == []
    settings = {variable_of(field) for field in Settings.model_fields}  # which a page of their own describes
    named = {name for name in environment() if name.startswith("SHELFSIGHT_")}
    assert [name for name in named - settings if name not in page] == []
